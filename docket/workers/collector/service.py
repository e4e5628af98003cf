"""The collector: the only writer of spool and ledger. It takes requests and fragments, and publishes events.

One thread, one loop. A turn takes what has arrived, does a bounded piece of merging, commits all of it as one
transaction, and only then acknowledges and tells: whatever a killed collector had not committed comes again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from threading import Event as Flag

from docket.bus.interface import Broker, Delivery
from docket.bus.messages import Fragment, decode_event, decode_fragment
from docket.bus.permissions import COLLECTOR
from docket.bus.queue_watch import QueueWatch
from docket.bus.senders import check_sender
from docket.bus.topology import COLLECTOR_QUEUE, FRAGMENT_SHARDS, fragment_queue
from docket.config.model import Config
from docket.domain.clock import Clock, DeadlineClock
from docket.domain.job import EventName, Verdict
from docket.errors import MessageError, SpoolError, SpoolFull
from docket.runtime.job_figures import JobFigures
from docket.spool.collector_health import HEARTBEAT_S
from docket.spool.layout import Spool
from docket.spool.ledger_writer import Ledger
from docket.spool.retention import RecordExpiry, Retention
from docket.spool.signing import Signer
from docket.workers.collector import command_queue, outcome_texts
from docket.workers.collector.adoption import Adoption
from docket.workers.collector.command_handler import CommandHandler
from docket.workers.collector.command_queue import CommandQueue
from docket.workers.collector.commit import Batch
from docket.workers.collector.early_fragments import EarlyFragmentBuffer
from docket.workers.collector.open_job import JobContext, OpenJob
from docket.workers.collector.outbox import Outbox
from docket.workers.collector.reply_publisher import ReplyPublisher
from docket.workers.collector.running import keep_running
from docket.workers.collector.source_registry import QUIET_S, SourceRegistry
from docket.workers.collector.space import SpaceManager

log = logging.getLogger(__name__)

PREFETCH = 8
"""Fragments in hand per shard: 4 × 8 × 1 MiB is what the collector's memory can bear."""

BATCH_MESSAGES = 16
"""Committed together at most; a commit costs about as much as writing a small fragment."""

MOST_TAKEN = 500
"""Messages taken from the bus in one turn; commands are only put in line then."""

BATCH_BYTES = 4 * 1024 * 1024
"""No more is taken in one turn, for the same reason as below."""

WORK_S = 0.015
"""Longest stretch of merging in one turn: what a small job may have to wait for a big one."""

LOOK_S = 5.0
"""How often the bus is asked who listens."""

DEADLINES_S = 0.1
"""How often all open jobs are gone through for those that are late."""

RETENTION_S = 60.0

LATE_S = 5.0
"""How long a deadline may be put off by messages that are still coming in: what has arrived counts."""

LONGEST_WAIT_S = 0.5
"""How long the loop may take to see that it has to stop."""

COMMIT_AGAIN_S = 0.2


class Collector:
    """Runs in one thread; `run` blocks until it is asked to stop."""

    def __init__(self, config: Config, broker: Broker, clock: Clock | None = None, figures: JobFigures | None = None):
        """Opens nothing yet."""
        self.jobs: dict[str, OpenJob] = {}
        self._config, self._broker, self._queue_watch = config, broker, QueueWatch(broker)
        self._spool = Spool(config.spool.path)
        self._clock, self._figures = clock or Clock(), figures
        self._deadline_clock = DeadlineClock(self._clock)
        self._stop = Flag()
        self._pending: Batch | None = None
        """A batch that could not be committed yet. Nothing else happens before it is."""
        self._trouble = ""
        self._busy: set[str] = set()
        """Jobs that may have something to merge or to conclude."""
        self._unpublished: set[str] = set()
        """Jobs of which something may be to be published."""
        self._sweeping = True
        """Something may lie in the trash."""
        self._next_s = {"look": 0.0, "retention": 0.0, "heartbeat": 0.0, "deadlines": 0.0}

    def run(self, stop: Flag) -> None:
        """Collect until `stop` is set. Raises SpoolError, TopologyMismatch or BusLost if it cannot even begin."""
        keep_running(self, self._spool, stop, LONGEST_WAIT_S)

    def open(self, stop: Flag | None = None) -> None:
        """Take up the spool as it was left, and join the bus. Raises SpoolError, TopologyMismatch, BusLost."""
        self._stop = stop or self._stop
        config, spool = self._config, self._spool
        self.jobs.clear()
        self._busy.clear()
        self._pending, self._trouble = None, ""
        spool.create()
        names = [source.name for source in config.sources]
        with ExitStack() as opened:
            self.ledger = Ledger(spool.ledger)
            opened.callback(self.ledger.close)
            self._take_up(spool, names)
            self._broker.declare(names, COLLECTOR)
            publisher = self._broker.publisher("collector")
            opened.callback(publisher.close)
            replies = ReplyPublisher(self._broker.publisher("collector replies"))
            opened.callback(replies.close)
            self._outbox = Outbox(publisher, self._clock, self._stop, self.ledger, self._figures, replies)
            queues = [COLLECTOR_QUEUE, *(fragment_queue(shard) for shard in range(FRAGMENT_SHARDS))]
            listen = ("source.*", EventName.INSPECTED.value)
            in_hand = {COLLECTOR_QUEUE: command_queue.PREFETCH}
            self._receiver = self._broker.receiver(
                "collector", queues, prefetch=PREFETCH, prefetch_of=in_hand, listen=listen
            )
            opened.callback(self._receiver.close)
            self._space.bus = self._broker.identity() if config.spool.handover_bytes is not None else ""
            self._space.announce()
            self._opened = opened.pop_all()
        log.info("collector started in %s; %d jobs are open", spool.path, len(self.jobs))

    def close(self) -> None:
        """Leave. What is not committed will be delivered again."""
        self._spool.incoming.withdraw()
        with self._opened:
            self._outbox.close()
            published = self._outbox.take_published()
            if published and self._pending is None:
                try:
                    self.ledger.mark_published(published)
                except SpoolError as error:
                    log.warning("events may be published twice: %s", error)

    def idle_s(self) -> float:
        """How long nothing has to be done unless a message comes."""
        if self._busy or self._sweeping or self._pending is not None or self._commands:
            return 0.0
        now_s = self._clock.monotonic_s()
        regular = {name: at_s for name, at_s in self._next_s.items() if name != "deadlines"}
        due_s = [*regular.values(), *(max(job.deadline_s, self._next_s["deadlines"]) for job in self.jobs.values())]
        due_s += [*self._outbox.due_s(self._unpublished_jobs(), now_s), *self._early.due_s(now_s)]
        return max(min(due_s) - now_s, 0.0)

    def turn(self, timeout_s: float) -> None:
        """Wait for messages at most this long and do everything that is to be done."""
        if self._pending is None:
            batch = Batch()
            idle = self._receive(batch, timeout_s)
            self._watch_time(batch, idle=idle)
            self._adoption.take(batch, self.ledger.job, self.jobs.__contains__)
            self._work(batch)
            batch.entries.published = self._outbox.take_published()
            self._pending = batch
        if self._commit(self._pending):
            batch, self._pending = self._pending, None
            self._acknowledge(batch)
            for name in [name for name, status in batch.entries.sources.items() if status is None]:
                self._outbox.tell_forgotten(name)
            self._outbox.tell(self._unpublished_jobs())
            self._unpublished = {job.id for job in self._unpublished_jobs() if job.changed or job.to_ask}
            self._put_away(batch)

    def _unpublished_jobs(self) -> list[OpenJob]:
        return [self.jobs[job_id] for job_id in self._unpublished if job_id in self.jobs]

    def _take_up(self, spool: Spool, names: list[str]) -> None:
        """Know again what was known when the collector ended."""
        signer = Signer.if_possible(self._config.spool.key_path)
        context = JobContext(spool, self._clock, self._deadline_clock, self._config.jobs.max_bytes, signer)
        self._retention = Retention(spool, self._config.spool)
        strays = self._retention.take_stock(self.ledger.with_results(), self.ledger.job)
        self._adoption = Adoption(spool, None if signer is None else signer.public_pem, strays)
        self._source_registry = SourceRegistry(self._broker, self._clock, names, self.ledger.sources())
        records = RecordExpiry(self.ledger, spool, self._config.spool.keep_records_s)
        self._space = SpaceManager(context, self._retention, records, self.jobs)
        self._command_handler = CommandHandler(
            context, self.ledger, self._source_registry, self._space, self.jobs, self._config
        )
        self._commands = CommandQueue()
        self._early = EarlyFragmentBuffer(self._clock, self.ledger)
        self._command_handler.load()
        if self._config.bus.startswith("memory:"):
            # That bus forgot what it carried when the process ended: no other service would ask again.
            for job in self.jobs.values():
                job.to_ask.update(part.source for part in job.open_parts)
        self._busy.update(self.jobs)
        self._unpublished.update(self.jobs)

    def _receive(self, batch: Batch, timeout_s: float) -> bool:
        """Take what has arrived. True: there was nothing more."""
        size_bytes, handled, idle = 0, 0, False
        for _ in range(MOST_TAKEN):
            delivery = None if self._commands.is_full else self._receiver.receive(timeout_s)
            if delivery is None:
                idle = not self._commands
                break
            timeout_s = 0.0
            if delivery.queue == COLLECTOR_QUEUE:
                self._commands.put(delivery)
                continue
            self._handle(delivery, batch)
            handled, size_bytes = handled + 1, size_bytes + len(delivery.body)
            if handled >= BATCH_MESSAGES or size_bytes >= BATCH_BYTES:
                break
        for command in self._commands.take(self._receiver.generation, one_each=handled > 0):
            self._handle(command, batch)
        return idle

    def _handle(self, delivery: Delivery, batch: Batch) -> None:
        """Do what one message calls for."""
        try:
            self._act_on(delivery, batch)
        except Exception as error:
            # The one broad net: a message that we cannot cope with must not stop all others.
            log.exception("a message from %s could not be handled", delivery.queue or "the events")
            batch.settled.append((delivery, f"the collector could not handle it: {error!r}"))

    def _act_on(self, delivery: Delivery, batch: Batch) -> None:
        """Do what one message calls for, and say how it is to be settled."""
        if not delivery.queue:
            self._take_event(delivery, batch)
        elif delivery.queue == COLLECTOR_QUEUE:
            batch.settled.append((delivery, self._command_handler.take(delivery, batch)))
            # Perhaps its answers were there before.
            for job_id in self._command_handler.touched & self.jobs.keys():
                self._early.let_in(self.jobs[job_id], batch)
        else:
            self._take_fragment(delivery, batch)

    def _take_fragment(self, delivery: Delivery, batch: Batch) -> None:
        try:
            fragment = decode_fragment(delivery.headers, delivery.body)
            check_sender(delivery.user_id, fragment.source, delivery.account)
        except MessageError as error:
            log.warning("a fragment is not taken: %s", error)
            batch.settled.append((delivery, str(error)))
            return
        if fragment.job not in self.jobs:
            for command in self._commands.of_job(fragment.job, self._receiver.generation):
                self._handle(command, batch)
        job = self.jobs.get(fragment.job)
        if job is not None:
            job.take(fragment, batch.entries)
            self._busy.add(job.id)
        elif self._may_come(fragment):
            self._early.keep(delivery, fragment)
            return
        batch.settled.append((delivery, ""))

    def _may_come(self, fragment: Fragment) -> bool:
        """Whether the request of an unknown job may still be on its way."""
        known = self._command_handler.was_rejected(fragment.job) or self._early.is_given_up(fragment)
        return not known and self.ledger.job(fragment.job) is None

    def _take_event(self, delivery: Delivery, batch: Batch) -> None:
        try:
            message = decode_event(bytes(delivery.body), delivery.routing_key)
        except MessageError as error:
            log.warning("an event that cannot be understood: %s", error)
            return
        if message.event is EventName.INSPECTED and message.job_id:
            # The summary takes room now. What else the job is, the ledger says, and not the message.
            inspected = self.ledger.job(message.job_id)
            if inspected is not None and inspected.pcap is not None and inspected.id not in self.jobs:
                self._retention.note(inspected)
        heard = self._source_registry.on_event(message)
        if heard is None:
            return
        status, came = heard
        batch.entries.sources[status.name] = status
        if came:
            self._command_handler.retry_by_itself(status.name, batch)

    def _watch_time(self, batch: Batch, *, idle: bool) -> None:
        """Everything that is due because time has passed."""
        now_s = self._clock.monotonic_s()
        for job in list(self.jobs.values()) if self._is_due("deadlines", DEADLINES_S, now_s) else ():
            overdue_s = now_s - job.deadline_s
            if overdue_s >= 0 and job.open_parts and (idle or overdue_s > LATE_S):
                self._close_gone(job, self._source_registry.away, batch)
                job.expire(lambda name: self._source_registry.silence(name, QUIET_S), batch.entries)
                self._busy.add(job.id)
        if self._is_due("look", LOOK_S, now_s):
            self._look_around(batch)
        if self._is_due("retention", RETENTION_S, now_s):
            self._space.tidy(batch)
        if self._is_due("heartbeat", HEARTBEAT_S, now_s):
            self._beat(batch)
        self._early.look(self._receiver.generation, batch)

    def _is_due(self, name: str, every_s: float, now_s: float) -> bool:
        """Whether it is time for what is done now and then; if so, the next time is set."""
        if now_s < self._next_s[name]:
            return False
        self._next_s[name] = now_s + every_s
        return True

    def _look_around(self, batch: Batch) -> None:
        """Notice sources that went away, and close them where patience has run out."""
        for status in self._source_registry.silent():
            batch.entries.sources[status.name] = status
            self._outbox.tell_offline(status)
        self._source_registry.look({part.source for job in self.jobs.values() for part in job.open_parts})
        for job in self.jobs.values():
            self._close_gone(job, lambda name: self._source_registry.gone(name, self._config.jobs.patience_s), batch)

    def _close_gone(self, job: OpenJob, absence: Callable[[str], str], batch: Batch) -> None:
        """Close the job's sources whose worker is away."""
        for part in job.open_parts:
            absent = absence(part.source)
            if absent:
                verdict = Verdict.CUT if part.begun and part.packets else Verdict.UNREACHABLE
                next_step = "Start its worker; within the deadline it is then asked again by itself."
                job.close_source(
                    part.source, verdict, outcome_texts.gone(part, absent), batch.entries, next_step=next_step
                )
                self._busy.add(job.id)

    def _beat(self, batch: Batch) -> None:
        self._space.announce()
        trouble = "" if self._receiver.connected else "the bus is away"
        queues = {} if trouble else self._queue_watch.look(self._source_registry.names())
        try:
            batch.entries.health = self._space.health(trouble, queues)
        except SpoolError as error:
            log.error("the spool cannot be looked at: %s", error)

    def _work(self, batch: Batch) -> None:
        """Merge for a while, jobs with little to do first, and conclude those that are done."""
        self._busy.update(job_id for job_id in self._command_handler.touched if job_id in self.jobs)
        self._command_handler.touched.clear()
        self._unpublished |= self._busy
        until_s = self._clock.monotonic_s() + WORK_S
        for job in sorted((self.jobs[job_id] for job_id in self._busy), key=lambda job: job.waiting_bytes):
            while handled := job.work(batch.entries):
                if self._clock.monotonic_s() >= until_s:
                    break
            if handled:
                return
            self._busy.discard(job.id)
            if job.ready:
                state = job.conclude(batch.entries)
                log.info("job %s: %s, %d packets", job.id, state, job.job.packets)
                batch.concluded.append(job)

    def _commit(self, batch: Batch) -> bool:
        """Write the batch down. False: it could not be written; it is kept and tried again."""
        if not batch.entries:
            return True
        try:
            recorded = self.ledger.commit(batch.entries)
        except SpoolError as error:
            if str(error) != self._trouble:
                log.error("ledger write failed: %s", error)
            self._trouble = str(error)
            if isinstance(error, SpoolFull):
                self._space.make_room(batch)
            self._stop.wait(COMMIT_AGAIN_S)
            return False
        if self._trouble:
            log.warning("the ledger can be written again")
            self._trouble = ""
        self._outbox.add(recorded)
        return True

    def _acknowledge(self, batch: Batch) -> None:
        for delivery, reason in batch.settled:
            if reason:
                delivery.dead(reason)
            else:
                delivery.ack()

    def _put_away(self, batch: Batch) -> None:
        """Take files off the disk that are not wanted any more; nothing waits for that."""
        for job in batch.concluded:
            self.jobs.pop(job.id, None)
            self._outbox.forget(job.id)
            job.clean_up()
            self._retention.note(job.job)
        for adopted in filter(None, map(self.ledger.job, batch.adopted)):
            self._retention.note(adopted)
        for job_id in batch.removals:
            if job_id not in self.jobs:
                self._spool.remove_job(job_id)
        self._sweeping = self._sweeping or bool(batch.concluded or batch.removals)
        if self._sweeping:
            self._sweeping = self._spool.sweep()
