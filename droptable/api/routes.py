"""Every address of the API: each route asks the gateway one thing and shows its answer.

No route knows a rule of the table. STOP reads no body, checks no token and waits for nothing.
"""

from typing import Annotated, Any, get_args

from fastapi import APIRouter, Depends, Path, Query, Request, WebSocket
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import JsonValue
from starlette.convertors import StringConvertor, register_url_convertor
from starlette.requests import HTTPConnection

from droptable.api.auth import actor_of
from droptable.api.door import Gateway
from droptable.api.problems import PROBLEM_TYPE, ApiError
from droptable.api.schemas import (
    SEQ_MAX,
    DoneShown,
    EventsAsked,
    EventsShown,
    LegLengthAsked,
    OwnSeriesAsked,
    PresetAsked,
    Ready,
    RefusedShown,
    SectionName,
    SeriesNow,
    StopSent,
    TakeOverAnswered,
    TensionAsked,
    Up,
    VerbName,
)
from droptable.api.stream import converse
from droptable.daemon.outcome import Done, Outcome, Refused
from droptable.daemon.snapshot import LeaseShown, Snapshot
from droptable.sections import section_named

PROBLEM_CONTENT = {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemShown"}}}


def told(**problems: str) -> dict[int | str, dict[str, Any]]:
    """OpenAPI's entry for problem documents: `told(s404="No such event")`."""
    return {
        int(status.removeprefix("s")): {"description": meaning, "content": PROBLEM_CONTENT}
        for status, meaning in problems.items()
    }


COMMON = told(
    s401="The token is not known",
    s403="The request comes from another site's page",
    s421="The Host is not this daemon",
    s503="Something outside the request is broken",
)
ACTION: dict[int | str, dict[str, Any]] = {
    409: {"model": RefusedShown, "description": "Refused, with every reason"},
    **told(s413="The body is too large", s422="The body has the wrong content"),
}


class VerbConvertor(StringConvertor):
    """Only a verb is one: so `tension` beside it takes PUT alone, and says so in `Allow`."""

    regex = "|".join(get_args(VerbName))


register_url_convertor("verb", VerbConvertor())


# Coroutines although they wait for nothing: FastAPI runs a plain function in a thread, and a STOP
# would wait for a free one.


async def the_gateway(connection: HTTPConnection) -> Gateway:
    """The door that this app was made with."""
    gateway: Gateway = connection.app.state.gateway
    return gateway


async def the_actor(connection: HTTPConnection) -> str:
    """Who asks; ApiError TOKEN_UNKNOWN."""
    return actor_of(connection)


Door = Annotated[Gateway, Depends(the_gateway)]
Actor = Annotated[str, Depends(the_actor)]
SectionPath = Annotated[SectionName, Path()]
VerbPath = Annotated[VerbName, Path()]
SeqPath = Annotated[int, Path(ge=1, le=SEQ_MAX)]

table = APIRouter(prefix="/api/v1", tags=["table"], responses=COMMON)
operations = APIRouter(tags=["operations"], responses=told(s421="The Host is not this daemon"))


def shown(outcome: Outcome) -> JSONResponse:
    """What the gateway answered, as a response."""
    match outcome:
        case Done(detail):
            return JSONResponse(DoneShown(done=dict(detail)).model_dump())
        case Refused(reasons):
            return JSONResponse(RefusedShown(refused=reasons).model_dump(), 409)


@table.get("/state", response_model=Snapshot)
async def state(gateway: Door, _: Actor) -> Response:
    """The whole table now."""
    body = gateway.snapshot().model_dump_json(by_alias=True)
    return Response(body, media_type="application/json")


@table.get("/readiness")
async def readiness(gateway: Door, _: Actor) -> dict[str, JsonValue]:
    """For each section and action every reason why it is refused now."""
    return gateway.readiness()


@table.post("/stop")
async def stop(gateway: Door) -> StopSent:
    """Stop the table. Needs no token, no lease and no body; never refused."""
    gateway.stop("http")
    return StopSent()


@table.post("/stop/reset", response_model=DoneShown, responses=ACTION)
async def reset_stop(gateway: Door, actor: Actor) -> Response:
    """Take back a latched stop; nothing moves by it."""
    return shown(await gateway.reset_stop(actor))


@table.get("/lease")
async def lease(gateway: Door, _: Actor) -> LeaseShown:
    """Who moves the table."""
    return gateway.snapshot().lease


@table.post("/lease", response_model=DoneShown, responses=ACTION)
async def take_lease(gateway: Door, actor: Actor) -> Response:
    """Take the lease, or renew it when it is yours."""
    return shown(await gateway.take_lease(actor))


@table.delete("/lease", response_model=DoneShown, responses=ACTION)
async def release_lease(gateway: Door, actor: Actor) -> Response:
    """Give the lease back."""
    return shown(await gateway.release_lease(actor))


@table.post("/lease/take-over", response_model=DoneShown, responses=ACTION)
async def take_over(gateway: Door, actor: Actor) -> Response:
    """Ask for a lease that someone else has.

    The table is made safe at once; the holder gives it or keeps it, and after 10 s without an
    answer it is given. The lease of the state says how that goes.
    """
    return shown(await gateway.take_over(actor))


@table.post("/lease/answer", response_model=DoneShown, responses=ACTION)
async def answer_take_over(gateway: Door, actor: Actor, answer: TakeOverAnswered) -> Response:
    """Give the lease to who asks for it, or keep it."""
    return shown(await gateway.answer_take_over(actor, give=answer.give))


@table.get("/series")
async def series(gateway: Door, _: Actor) -> SeriesNow:
    """The series that runs, or the last one, and the presets."""
    return SeriesNow(series=gateway.snapshot().series, presets=gateway.presets())


@table.post("/series", response_model=DoneShown, responses=ACTION)
async def start_series(
    gateway: Door, actor: Actor, asked: PresetAsked | OwnSeriesAsked
) -> Response:
    """Let a series run, by a preset or one's own; nothing moves until someone holds a control."""
    match asked:
        case PresetAsked(preset=preset):
            return shown(await gateway.start_preset(preset, actor))
        case OwnSeriesAsked(section=section, drops=drops, window_s=window_s):
            at = section_named(section)
            return shown(await gateway.start_series(at, drops, window_s, actor))


@table.delete("/series", response_model=DoneShown, responses=ACTION)
async def end_series(gateway: Door, actor: Actor) -> Response:
    """Let the series end; like disarming it needs no lease."""
    return shown(await gateway.end_series(actor))


@table.post("/series/leg-length", response_model=DoneShown, responses=ACTION)
async def note_leg_length(gateway: Door, actor: Actor, found: LegLengthAsked) -> Response:
    """Keep a leg length with the series: before its first drop, or after its end."""
    after = found.when == "after"
    return shown(
        await gateway.note_leg_length(actor, found.shorter, found.millimetres, after=after)
    )


@table.post(
    "/sections/{section}/{verb:verb}",
    response_model=DoneShown,
    responses={**ACTION, **told(s404="No such section or verb")},
)
async def act(gateway: Door, actor: Actor, section: SectionPath, verb: VerbPath) -> Response:
    """Carry out a verb, for programs that have no finger to watch."""
    return shown(await gateway.act(verb, section_named(section), actor))


@table.put(
    "/sections/{section}/tension",
    response_model=DoneShown,
    responses={**ACTION, **told(s400="Not JSON", s404="No such section")},
)
async def set_tension(
    gateway: Door, actor: Actor, section: SectionPath, asked: TensionAsked
) -> Response:
    """Set the force that holds a cocked section."""
    return shown(await gateway.set_tension(section_named(section), asked.newton, actor))


@table.get("/events", responses=told(s422="The query has the wrong content"))
async def events(gateway: Door, _: Actor, asked: Annotated[EventsAsked, Query()]) -> EventsShown:
    """Events of the journal above `after`, in order."""
    found = await gateway.events(asked.after, asked.limit, asked.kind, asked.section)
    return EventsShown(events=found)


@table.get("/events/{seq}", responses=told(s404="No such event", s422="Not a number"))
async def event(gateway: Door, _: Actor, seq: SeqPath) -> dict[str, JsonValue]:
    """One event of the journal."""
    found = await gateway.event(seq)
    if found is None:
        raise ApiError("NOT_FOUND", f"the journal has no event {seq}")
    return found


@table.websocket("/ws")
async def watch(socket: WebSocket, gateway: Door) -> None:
    """The page's socket: the newest state, heartbeats, STOP, the lease and fingers."""
    await converse(socket, gateway, socket.app.state.audience)


@operations.get("/healthz")
async def healthz(gateway: Door) -> Up:
    """The process is up."""
    return Up(boot=gateway.boot)


@operations.get("/readyz", responses=told(s503="The table cannot be used"))
async def readyz(gateway: Door) -> Ready:
    """The link is up and the journal writable."""
    ready, wrong = gateway.health()
    if not ready:
        raise ApiError("NOT_READY", "; ".join(wrong) or "the gateway gives no reason")
    return Ready()


@operations.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(request: Request) -> Response:
    """What Prometheus is shown."""
    return Response(
        generate_latest(request.app.state.metrics), headers={"Content-Type": CONTENT_TYPE_LATEST}
    )
