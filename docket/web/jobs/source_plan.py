"""What each source would be asked, and what of its answer kept: for the check. Used by the check's handler only."""

from __future__ import annotations

from docket.domain.api import SourcePlan
from docket.domain.query.canonical import Query
from docket.domain.query.planning import Plan, for_stenographer
from docket.domain.source import SourceStatus


def plan_of(status: SourceStatus, query: Query) -> Plan:
    """A capture directory selects exactly; stenographer by what its indexes hold."""
    if status.kind == "stenographer":
        return for_stenographer(query, look_inside=status.look_inside)
    return Plan(query, query, None, status.look_inside)


def source_plan(status: SourceStatus, query: Query) -> SourcePlan:
    plan = plan_of(status, query)
    return SourcePlan(
        source=status.name,
        asked=plan.asked.canonical,
        kept="" if plan.kept is None else plan.kept.canonical,
        reads_everything=plan.reads_everything,
        sentence=_sentence(status.name, plan),
    )


def _sentence(name: str, plan: Plan) -> str:
    if plan.kept is None:
        asked = plan.asked.canonical or "everything in the window"
        text = f"{name} is asked for {asked}"
    else:
        text = f"{name} {plan.sentence()}"
    if plan.reads_everything:
        text += "; all packets of the window are read for that: name an address, a port or a protocol if you can"
    if plan.look_inside and not plan.query.is_empty:
        text += "; plain words look inside of tunnels here"
    return f"{text}."
