"""From a transition to the person: who hears of it, in which order, and until when."""

from aiops.delivery.dispatch import Dispatcher, Pace, Surroundings
from aiops.delivery.offers import offered, verbs_of
from aiops.delivery.order import Choice, Order
from aiops.delivery.plan import Route, notification_key, plan, plan_batch
from aiops.delivery.port import Fate, OutboxPort, Outcome, announce
from aiops.delivery.rendering import Rendering, read_templates

__all__ = [
    "Choice",
    "Dispatcher",
    "Fate",
    "Order",
    "OutboxPort",
    "Outcome",
    "Pace",
    "Rendering",
    "Route",
    "Surroundings",
    "announce",
    "notification_key",
    "offered",
    "plan",
    "plan_batch",
    "read_templates",
    "verbs_of",
]
