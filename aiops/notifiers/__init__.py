"""The shelf of channels: one file a channel and one line here."""

NOTIFIERS = {
    "stdout": "aiops.notifiers.stdout:StdoutNotifier",
    "webhook": "aiops.notifiers.webhook:WebhookNotifier",
    "slack": "aiops.notifiers.slack:SlackNotifier",
    "slack_bot": "aiops.notifiers.slack_bot:SlackBotNotifier",
    "teams": "aiops.notifiers.teams:TeamsNotifier",
    "discord": "aiops.notifiers.discord:DiscordNotifier",
    "telegram": "aiops.notifiers.telegram:TelegramNotifier",
    "mattermost": "aiops.notifiers.mattermost:MattermostNotifier",
    "rocketchat": "aiops.notifiers.rocketchat:RocketchatNotifier",
    "googlechat": "aiops.notifiers.googlechat:GooglechatNotifier",
    "pagerduty": "aiops.notifiers.pagerduty:PagerdutyNotifier",
    "ntfy": "aiops.notifiers.ntfy:NtfyNotifier",
    "email": "aiops.notifiers.email:EmailNotifier",
    "exec": "aiops.notifiers.exec:ExecNotifier",
    "apprise": "aiops.notifiers.apprise:AppriseNotifier",
    "alertmanager": "aiops.notifiers.alertmanager:AlertmanagerNotifier",
}
