"""The service `docket webhooks`: sends events of the bus to programs without AMQP, as signed HTTP requests.

An event is acknowledged on the bus once it is in the file of deliveries. Each hook has a thread that delivers.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from contextlib import closing
from pathlib import Path

import msgspec

from docket.bus.cloud_events import named
from docket.bus.interface import Broker, Consumer, Delivery
from docket.bus.messages import decode_event
from docket.bus.permissions import WEBHOOKS
from docket.bus.senders import objection_to_event
from docket.bus.topology import EVENTS, WEBHOOKS_QUEUE, Binding, service_queue
from docket.domain.clock import Clock
from docket.domain.event import EventMessage
from docket.domain.timewindow import US_PER_S
from docket.errors import DocketError, MessageError
from docket.workers.webhooks.delivery_store import DeliveryStore, StoreFailed
from docket.workers.webhooks.hook_sender import DELAYS_S, HookSender
from docket.workers.webhooks.hooks import WebhooksConfig
from docket.workers.webhooks.webhook_figures import DEAD, DELIVERIES, WAITING, begin

log = logging.getLogger(__name__)

RECEIVE_S = 0.5
PREFETCH = 100
STOP_S = 20.0
STORE_WAIT_S = 1.0


class SenderEnded(DocketError):
    """Raised when the thread of a hook has ended by itself; the log says why."""


class WebhookService:
    """Receives in the thread that calls `run`."""

    def __init__(
        self,
        config: WebhooksConfig,
        broker: Broker,
        clock: Clock | None = None,
        delays_s: tuple[int, ...] = DELAYS_S,
    ) -> None:
        self._config = config
        self._broker = broker
        self._clock = clock or Clock()
        self._delays_s = delays_s

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set. Raises BusLost if it cannot even begin, StoreFailed, SenderEnded."""
        keys = sorted({name for hook in self._config.hooks for name in hook.events})
        bindings = [Binding(EVENTS, WEBHOOKS_QUEUE, key) for key in keys]
        self._broker.declare_queue(service_queue(WEBHOOKS_QUEUE), bindings, WEBHOOKS)
        with closing(DeliveryStore(Path(self._config.state))) as store:
            self._deliver(store, stop)

    def _deliver(self, store: DeliveryStore, stop: threading.Event) -> None:
        senders = {hook.name: HookSender(hook, store, self._clock, self._delays_s) for hook in self._config.hooks}
        threads = [threading.Thread(target=one.run, args=(stop,), name=name) for name, one in senders.items()]
        receiver = self._broker.receiver("webhooks", [WEBHOOKS_QUEUE], prefetch=PREFETCH)
        try:
            for name, thread in zip(senders, threads, strict=True):
                begin(name)
                thread.daemon = True  # one that waits for its receiver must not hold the end of the process up
                thread.start()
            self._receive(receiver, store, senders, threads, stop)
        finally:
            receiver.close()
            for sender in senders.values():
                sender.wake()
            for thread in threads:
                thread.join(STOP_S)

    def _receive(
        self,
        receiver: Consumer,
        store: DeliveryStore,
        senders: dict[str, HookSender],
        threads: list[threading.Thread],
        stop: threading.Event,
    ) -> None:
        while not stop.is_set():
            delivery = receiver.receive(RECEIVE_S)
            if delivery is not None and not self._keep(delivery, store, senders):
                stop.wait(STORE_WAIT_S)
            elif delivery is None:
                self._count(store)
            if not all(thread.is_alive() for thread in threads) and not stop.is_set():
                raise SenderEnded("the thread of a hook has ended")

    def _keep(self, delivery: Delivery, store: DeliveryStore, senders: dict[str, HookSender]) -> bool:
        """Write it down for each hook that it is for. False: it could not be, and comes again."""
        body = bytes(delivery.body)
        try:
            objection = objection_to_event(delivery.routing_key, delivery.user_id, body, delivery.account)
            if objection:
                raise MessageError(objection)
            message = decode_event(body, delivery.routing_key)
        except MessageError as error:
            log.warning("what came as %s is not sent on: %s", delivery.routing_key[:40], error)
            delivery.ack()
            return True
        try:
            for name in self._add(message, store):
                senders[name].wake()
        except StoreFailed as error:
            log.error("an event cannot be kept and stays on the bus: %s", error)
            delivery.requeue()
            return False
        delivery.ack()
        return True

    def _add(self, message: EventMessage, store: DeliveryStore) -> list[str]:
        """The hooks that it is for. Raises StoreFailed."""
        facts = named(message, "collector" if message.source is None else "worker")
        body = msgspec.json.encode(facts | {"datacontenttype": "application/json", "data": message})
        for_hooks = [hook.name for hook in self._config.hooks if hook.takes(message)]
        for name in for_hooks:
            at_s = self._clock.now_us() // US_PER_S
            event_id = _id_of(facts)
            if not store.add(name, event_id, facts["type"], facts.get("subject", ""), body, at_s):
                log.error("hook %s: %s is left out, too many events wait", name, facts["type"])
                DELIVERIES.labels(name, "left out").inc()
        return for_hooks

    def _count(self, store: DeliveryStore) -> None:
        try:
            for hook in self._config.hooks:
                WAITING.labels(hook.name).set(store.count(hook.name, dead=False))
                DEAD.labels(hook.name).set(store.count(hook.name, dead=True))
        except StoreFailed as error:
            log.error("what waits cannot be counted: %s", error)


def _id_of(facts: dict[str, str]) -> str:
    """The same for the same event; without the full stop, which parts what is signed."""
    return f"msg_{hashlib.sha256(' '.join((facts['source'], facts['type'], facts['id'])).encode()).hexdigest()[:32]}"
