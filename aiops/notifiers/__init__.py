"""The shelf of channels: one file a channel and one line here."""

NOTIFIERS = {
    "stdout": "aiops.notifiers.stdout:StdoutNotifier",
    "webhook": "aiops.notifiers.webhook:WebhookNotifier",
    "slack": "aiops.notifiers.slack:SlackNotifier",
    "alertmanager": "aiops.notifiers.alertmanager:AlertmanagerNotifier",
}
