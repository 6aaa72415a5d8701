"""What is concluded from a transaction of which only a part is visible, on a fake that shows just that."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Callable, Iterator

import pytest

from chalicelib.storage.base import RevisionExpired, StorageUnavailable
from chalicelib.storage.dynamodb.item import LOG_PK, revision_sk
from chalicelib.storage.dynamodb.storage import CHECKPOINT_SECONDS, KEEP_EVENTS_SECONDS, DynamoStorage
from chalicelib.storage.dynamodb.table import Backoff
from tests.contract.fake_dynamodb import Faults
from tests.contract.storage_backends import FakeStores, pod, pod_key

PODS = "/registry/pods/"


class Stage:
    """A store in which a transaction's items appear one by one, the next at a chosen pause."""

    def __init__(self) -> None:
        self.stores = FakeStores()
        self.stores.backoff = Backoff(pause=self._pause)
        self.fake = self.stores.fake
        self.writer = self.stores.open()
        self.start = self.writer.revision()
        self.reader = self.stores.open()  # knows nothing of what the writer remembers
        self.pauses = 0
        self._at_pause: dict[int, Callable[[], None]] = {}

    def hide_event(self, revision: int, *, until_pause: int = 3) -> None:
        """Take an event out of sight until the reader has paused that often."""
        item = self.fake.take(LOG_PK, revision_sk(revision))
        self._at_pause[until_pause] = lambda: self.fake.put(item)

    def before_next_but_one(self, change: Callable[[], object]) -> None:
        """Make a change when the reader sends its request after the next one."""
        sent: list[object] = []

        def count(request: object, **_: object) -> None:
            sent.append(request)
            if len(sent) == 2:
                change()

        assert isinstance(self.reader, DynamoStorage)
        self.reader.client.meta.events.register_first("before-send.dynamodb", count)

    def create(self, name: str) -> int:
        """Create a pod; return its revision."""
        return self.writer.create(pod_key(name), pod(name)).revision

    def listed(self) -> list[str]:
        """Return the names that the reader lists."""
        return [stored.object()["metadata"]["name"] for stored in self.reader.list(PODS).items]

    def _pause(self, _: float) -> None:
        self.pauses += 1
        self._at_pause.pop(self.pauses, lambda: None)()


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """Yield an empty store."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    stage = Stage()
    yield stage
    stage.stores.close()


def test_a_watch_waits_for_the_next_event_to_become_visible(stage: Stage) -> None:
    revisions = [stage.create(name) for name in "abc"]
    stage.hide_event(revisions[0])

    batch = stage.reader.events_after(PODS, stage.start)

    assert [event.revision for event in batch.events] == revisions
    assert stage.pauses == 3


def test_a_watch_gets_what_comes_before_a_hidden_event(stage: Stage) -> None:
    revisions = [stage.create(name) for name in "abc"]
    stage.hide_event(revisions[1])

    batch = stage.reader.events_after(PODS, stage.start)

    assert ([event.revision for event in batch.events], batch.revision) == (revisions[:1], revisions[0])


def test_a_watch_does_not_pass_a_hidden_last_event(stage: Stage) -> None:
    revisions = [stage.create(name) for name in "ab"]
    stage.hide_event(revisions[1])

    batch = stage.reader.events_after(PODS, stage.start)

    assert batch.revision == revisions[0]


def test_an_event_that_stays_hidden_is_not_skipped(stage: Stage) -> None:
    revisions = [stage.create(name) for name in "ab"]
    stage.hide_event(revisions[0], until_pause=1000)

    with pytest.raises(StorageUnavailable, match="not visible yet"):
        stage.reader.events_after(PODS, stage.start)


def test_a_missing_event_that_is_old_has_expired(stage: Stage) -> None:
    first, second = stage.create("a"), stage.create("b")
    stage.fake.take(LOG_PK, revision_sk(first))
    stage.stores.clock.advance(61)

    with pytest.raises(RevisionExpired) as refused:
        stage.reader.events_after(PODS, stage.start)

    assert refused.value.oldest == first
    assert [event.revision for event in stage.reader.events_after(PODS, first).events] == [second]


def test_a_list_at_a_revision_whose_later_events_expired_is_refused(stage: Stage) -> None:
    first, second, _ = (stage.create(name) for name in "abc")
    stage.fake.take(LOG_PK, revision_sk(second))
    stage.stores.clock.advance(61)

    with pytest.raises(RevisionExpired):
        stage.reader.list(PODS, revision=first)

    assert stage.listed() == ["a", "b", "c"]


def test_events_that_expired_after_a_long_rest_do_not_hold_up_lists(stage: Stage) -> None:
    for revision in (stage.create("a"), stage.create("b")):
        stage.fake.take(LOG_PK, revision_sk(revision))
    stage.stores.clock.advance(61)
    stage.create("c")

    assert stage.listed() == ["a", "b", "c"]
    assert stage.pauses == 0


def test_a_list_shows_a_written_object_that_is_not_visible_yet(stage: Stage) -> None:
    stage.create("a")
    stage.create("b")
    stage.fake.take("object#pods", "default/b")

    assert stage.listed() == ["a", "b"]


def test_a_list_waits_for_an_event_that_would_tell_of_a_hidden_object(stage: Stage) -> None:
    stage.create("a")
    revisions = [stage.create(name) for name in "bc"]
    stage.hide_event(revisions[0])
    stage.fake.take("object#pods", "default/b")

    assert stage.listed() == ["a", "b", "c"]
    assert stage.pauses == 3


def test_a_list_undoes_what_was_written_while_it_was_read(stage: Stage) -> None:
    first = stage.create("a")
    stage.before_next_but_one(lambda: stage.create("b"))

    page = stage.reader.list(PODS)

    assert ([stored.revision for stored in page.items], page.revision) == ([first], first)
    assert stage.pauses == 0


def test_a_list_waits_if_nothing_but_an_object_is_visible_of_its_write(stage: Stage) -> None:
    stage.create("a")
    stage.hide_event(stage.create("b"), until_pause=4)

    page = stage.reader.list(PODS)

    assert (len(page.items), page.revision) == (2, page.items[1].revision)
    assert stage.pauses == 4


def test_a_waiter_is_not_told_of_a_revision_with_hidden_events(stage: Stage) -> None:
    revision = stage.create("a")
    stage.reader.wait(revision, 0)
    revisions = [stage.create(name) for name in "bc"]
    stage.hide_event(revisions[0], until_pause=1)

    stage.reader.wait(revision, 5, PODS)

    assert [event.key for event in stage.reader.events_after(PODS, revision).events] == [pod_key("b"), pod_key("c")]


def test_a_store_whose_log_has_expired_goes_on_above_all_it_has_given_out(stage: Stage) -> None:
    revisions = [stage.create(name) for name in "abc"]
    stage.stores.clock.advance(KEEP_EVENTS_SECONDS)
    stage.fake.take(LOG_PK, revision_sk(revisions[-1]))  # as DynamoDB does, in no order

    assert stage.reader.revision() > revisions[-1]
    assert stage.listed() == ["a", "b", "c"]
    with pytest.raises(RevisionExpired):
        stage.reader.events_after(PODS, revisions[0])

    woken = stage.reader.revision()
    assert stage.create("d") == woken + 1 == stage.reader.revision()
    assert stage.listed() == ["a", "b", "c", "d"]
    (event,) = stage.reader.events_after(PODS, woken).events
    assert event.revision == woken + 1


def test_what_was_remembered_before_the_log_expired_is_read_anew(stage: Stage) -> None:
    stage.create("a")
    assert stage.listed() == ["a"]
    assert stage.reader.view().get(pod_key("a"))
    stage.create("b")
    stage.stores.clock.advance(KEEP_EVENTS_SECONDS)

    assert stage.listed() == ["a", "b"]
    assert stage.reader.view().get(pod_key("b"))


def test_a_store_that_rests_notes_where_it_stands(stage: Stage) -> None:
    stage.create("a")
    last = stage.create("b")
    stage.writer.expire_events(KEEP_EVENTS_SECONDS)
    stage.stores.clock.advance(CHECKPOINT_SECONDS + 1)

    stage.writer.expire_events(KEEP_EVENTS_SECONDS)

    noted = stage.fake.find("store", "checkpoint")
    assert noted is not None
    assert int(noted["revision"]["N"]) == last


def test_a_first_write_of_which_only_the_note_is_visible_is_waited_for(stage: Stage) -> None:
    stage.hide_event(stage.create("a"), until_pause=2)

    assert stage.listed() == ["a"]


OLD_HEAD = {"revision": {"N": "41"}, "newest": {"S": '{"pods": [41, 1000.5], "configmaps": [7, 900]}'}}
OLD_POD = '{"metadata":{"resourceVersion":"41","name":"old","uid":"uid-of-old"},"spec":{}}'


def old_table(stage: Stage) -> None:
    """Put what version 0.1 before the log has stored: a row of the store, a pod, its uid and its event."""
    text = base64.b64encode(zlib.compress(OLD_POD.encode())).decode()
    stage.fake.put({"pk": {"S": "store"}, "sk": {"S": "revision"}, **OLD_HEAD})
    key = {"key": {"S": pod_key("old")}, "revision": {"N": "41"}}
    named = {"uid": {"S": "uid-of-old"}, "owners": {"S": "[]"}}
    stage.fake.put({"pk": {"S": "object#pods"}, "sk": {"S": "default/old"}, **key, **named, "packed": {"B": text}})
    stage.fake.put({"pk": {"S": "uid#uid-of-old"}, "sk": {"S": "uid"}, "key": key["key"]})
    event = {"type": {"S": "ADDED"}, "follows": {"S": "[0, 0]"}, "at": {"N": "1000.5"}, "packed": {"B": text}}
    stage.fake.put({"pk": {"S": "event#pods"}, "sk": {"S": revision_sk(41)}, **key, **event})


def test_a_table_of_an_earlier_version_is_read_and_written_on(stage: Stage) -> None:
    old_table(stage)

    assert stage.reader.revision() == 41
    assert stage.listed() == ["old"]
    assert stage.reader.get_by_uid("uid-of-old").json == OLD_POD
    assert stage.reader.events_after(PODS, 41).events == []
    with pytest.raises(RevisionExpired):
        stage.reader.events_after(PODS, 40)

    changed = stage.writer.update(pod_key("old"), pod("old", phase="Running"), expected_revision=41)

    assert changed.revision == stage.reader.revision() == 42
    (event,) = stage.reader.events_after(PODS, 41).events
    assert (event.json, event.previous_json) == (changed.json, OLD_POD)
    assert stage.create("new") == 43
    assert stage.listed() == ["new", "old"]


def test_an_earlier_version_cannot_write_on_beside(stage: Stage) -> None:
    old_table(stage)

    stage.create("new")

    row = stage.fake.find("store", "revision")
    assert row is not None
    assert row["newest"] == {"NULL": True}  # of which it takes the items, and fails


def test_a_lost_answer_is_not_written_twice(stage: Stage) -> None:
    stage.fake.faults = Faults(lose_answer_every=1)

    created = stage.writer.create(pod_key("a"), pod("a"))

    assert created.revision == stage.writer.revision() == stage.start + 1


def test_a_race_that_is_never_won_ends(stage: Stage) -> None:
    stage.fake.faults = Faults(conflict_every=1)

    with pytest.raises(StorageUnavailable, match="too many write"):
        stage.create("a")

    assert stage.reader.revision() == stage.start


def test_a_throttled_write_ends(stage: Stage) -> None:
    stage.fake.faults = Faults(throttle_every=1)

    with pytest.raises(StorageUnavailable, match="throttled"):
        stage.create("a")


def test_a_transaction_that_is_still_in_progress_is_asked_for_again(stage: Stage) -> None:
    stage.fake.faults = Faults(in_progress_every=2)

    revisions = [stage.create(name) for name in "abcd"]

    assert revisions == list(range(stage.start + 1, stage.start + 5))


def test_one_that_stays_in_progress_leaves_open_what_has_happened(stage: Stage) -> None:
    stage.fake.faults = Faults(in_progress_every=1)

    with pytest.raises(StorageUnavailable, match="may come to pass"):
        stage.create("a")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("AccessDeniedException", "see the role's policy"),
        ("ResourceNotFoundException", "or create it"),
        ("SomethingElse", "cannot be used"),
    ],
)
def test_a_refused_request_says_what_to_do(stage: Stage, code: str, words: str) -> None:
    stage.fake.faults = Faults(refuse_all=code)

    for call in (
        stage.reader.revision,
        lambda: stage.reader.get(pod_key("a")),
        lambda: stage.reader.list(PODS),
        lambda: stage.reader.events_after(PODS, stage.start),
        lambda: stage.create("a"),
    ):
        with pytest.raises(StorageUnavailable, match=words):
            call()


def test_two_large_states_fit_an_event_and_an_item_apart(stage: Stage) -> None:
    # Digits compress to under half, and two such states would not fit one item together.
    digits = "".join(str(hash((n, "x")) % 10**18).zfill(18) for n in range(40_000))
    first = stage.writer.create(pod_key("a"), {**pod("a"), "data": digits})
    second = stage.writer.update(pod_key("a"), {**pod("a"), "data": digits[::-1]}, expected_revision=first.revision)

    (event,) = stage.reader.events_after(PODS, first.revision).events

    assert (event.json, event.previous_json) == (second.json, first.json)
    assert stage.reader.list(PODS, revision=first.revision).items == [first]


def test_events_carry_the_time_of_their_expiry(stage: Stage) -> None:
    stage.create("a")

    (event,) = [item for item in stage.fake.items() if item["pk"]["S"] == LOG_PK]
    (obj,) = [item for item in stage.fake.items() if item["pk"]["S"].startswith("object#")]

    assert int(event["expires"]["N"]) == int(stage.stores.clock()) + 7 * 24 * 3600
    assert "expires" not in obj


def test_a_short_list_that_has_not_changed_costs_one_read(stage: Stage) -> None:
    stage.create("a")
    assert stage.listed() == ["a"]
    stage.writer.create("/registry/configmaps/default/other", pod("other"))
    stage.fake.requests.clear()

    page = stage.reader.list(PODS)

    assert [stored.object()["metadata"]["name"] for stored in page.items] == ["a"]
    assert page.revision == stage.writer.revision()
    assert stage.fake.requests == ["Query", "Query"]  # the list's, and the writer's just now


def test_a_short_list_that_has_changed_is_read_anew(stage: Stage) -> None:
    stage.create("a")
    assert stage.listed() == ["a"]

    stage.create("b")
    after_create = stage.listed()
    created = stage.writer.get(pod_key("a"))
    stage.writer.delete(created.key, expected_revision=created.revision)

    assert (after_create, stage.listed()) == (["a", "b"], ["b"])
