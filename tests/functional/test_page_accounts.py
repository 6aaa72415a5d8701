"""The page at `/` says of each application what `ps` says that it has used: in a real Chromium."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from chalicelib.apimachinery.types import JSON
from chalicelib.endpoints import page
from tests.fake_provider import FakeProvider
from tests.functional.browser import Browser, chromium
from tests.memory_storage import MemoryStorage
from tests.unit.controllers.builders import Clock
from tests.unit.controllers.cost import test_task_accounts as stories
from tests.unit.controllers.ledger import applications, stored

pytestmark = [pytest.mark.browser]

# Of all that was seen, one look after the other, and of that with the records, as after a reload.
SCRIPT = """
const [looks, records] = arguments;
const seen = new Applications();
for (const { moment, pods } of looks) {
  Date.now = () => moment;
  pods.forEach((pod) => seen.put(pod));
  seen.retain(new Set(pods.map((pod) => pod.metadata.uid)));
}
const fresh = new Applications();
looks.at(-1).pods.forEach((pod) => fresh.put(pod));
records.forEach((record) => fresh.putRecord(record));
const told = (all) => Object.fromEntries(all.sorted().map((each) => [each.id, each.usage(Date.now())]));
return [told(seen), told(fresh)];
"""


class Page(stories.Watched):
    """A world that the page looks at."""

    looks: list[JSON]

    def look(self) -> None:
        """Take in what the page is told."""
        super().look()
        self.looks = [
            *getattr(self, "looks", []),
            {"moment": self.clock.now.timestamp() * 1000, "pods": stored(self, "pods")},
        ]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Return a Chromium with the page, which no control plane answers."""
    html = tmp_path_factory.mktemp("page") / "page.html"
    text = page.document()[0].replace("(() => {\n", "", 1)  # its names are to be seen
    html.write_text(text.replace("})();\n</script>", "</script>"), encoding="utf-8")
    with chromium(tmp_path_factory.mktemp("profile")) as one:
        one.open(html.as_uri())
        yield one


@pytest.mark.parametrize(
    "story",
    [*(story for story, *_ in stories.TABLE), stories.keep_warm, stories.keep_warm_for_another],
    ids=lambda story: story.__name__,
)
def test_the_page_says_what_ps_says(browser: Browser, story: Callable[[Page], None]) -> None:
    clock = Clock()
    w = Page(MemoryStorage(), provider=FakeProvider(clock=clock, hold_pending=True), clock=clock)

    story(w)
    w.look()

    now = w.clock.now
    expected = {each.id: each.usage(now) for each in applications(w).values()}
    for told in browser.run(SCRIPT, w.looks, stored(w, "podrecords")):
        assert {name: round(told[name]["vcpu"]) for name in expected} == {
            name: round(used.vcpu_seconds) for name, used in expected.items()
        }
        assert {name: round(told[name]["usd"], 5) for name in expected} == {
            name: round(used.usd, 5) for name, used in expected.items()
        }
