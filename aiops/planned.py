"""Work that comes back and is planned: ``[[maintenance]]`` as people write it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from aiops.quantities import Duration


class Maintenance(BaseModel):
    """When trouble is planned and comes back by the calendar: what it hides is not told."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    match: str = Field(
        min_length=1,
        description="Glob over the entity or its bare name. An incident is held back while every"
        " symptom in it is hidden; what is still open at the end is told once.",
    )
    cron: str = Field(
        description="When it begins: minute, hour, day of month, month, day of week, as in"
        ' crontab(5), such as "0 3 * * sun".',
    )
    duration: Duration = Field(gt=0, description="How long it lasts, in real time; up to 7 days.")
    timezone: str = Field(default="UTC", description='Whose clock, such as "Europe/Berlin".')
    reason: str = Field(default="", description="Shown with what it hides.")
