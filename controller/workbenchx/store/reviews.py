"""What forges are told: which worker looks, what was judged, what was said."""

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from workbenchx import errors, ports
from workbenchx.planner import brakes, model
from workbenchx.store import connections, encode, plans, queries

_SQL = queries.load("reviews")


class Reviews:
    """The part of the store that `ports.Reviews` is."""

    _db: connections.Connections

    async def due_reviews(
        self, worker: str, *, lease: float, limit: int
    ) -> Sequence[ports.DueReview]:
        """See ports.Reviews.due_reviews."""
        params = {"worker": worker, "lease": lease, "limit": limit}
        async with self._db.transaction() as conn:
            await conn.execute(_SQL["enrol"])
            found = await connections.fetch(conn, _SQL["hold"], params)
        return [ports.DueReview(ports.Reviewable(*row[:5]), row[5], polls=row[6]) for row in found]

    async def next_review(self) -> float | None:
        """See ports.Reviews.next_review."""
        async with self._db.transaction() as conn:
            await conn.execute(_SQL["enrol"])
            ((seconds,),) = await connections.fetch(conn, _SQL["next"])
        return None if seconds is None else max(float(seconds), 0.0)

    async def keep_review(self, worker: str, source: str, *, lease: float) -> bool:
        """See ports.Reviews.keep_review."""
        params = {"worker": worker, "source": source, "lease": lease}
        async with self._db.transaction() as conn:
            return bool((await conn.execute(_SQL["keep"], params)).rowcount)

    async def end_review(
        self,
        worker: str,
        due: ports.DueReview,
        *,
        pause: float | None,
        message: str = "",
        slow: bool = False,
    ) -> None:
        """See ports.Reviews.end_review."""
        params = {
            "worker": worker,
            "source": due.source.source,
            "asked_at": due.asked_at,
            "pause": pause,
            "message": encode.text(message),
            "slow": slow,
        }
        async with self._db.transaction() as conn:
            await conn.execute(_SQL["release"], params)

    async def ask_reviews(self, url: str) -> int:
        """See ports.Reviews.ask_reviews."""
        async with self._db.transaction() as conn:
            await conn.execute(_SQL["enrol"])
            return (await conn.execute(_SQL["ask"], {"url": url})).rowcount

    async def say_again(self, source: str, context: str | None, *, commit: str, again: str) -> int:
        """See ports.Reviews.say_again."""
        params = {"source": source, "context": context, "commit": commit, "again": again}
        async with self._db.transaction() as conn:
            pulls = await conn.execute(_SQL["pull_again"], params)
            commits = await conn.execute(_SQL["commit_again"], params)
            return pulls.rowcount + commits.rowcount

    async def epochs(self, source: ports.Reviewable) -> str:
        """See ports.Reviews.epochs."""
        asked = {
            "source": source.source,
            "everything": source.everything,
            "namespace": source.namespace,
            "project": source.project,
        }
        async with self._db.transaction() as conn:
            ((own, others),) = await connections.fetch(conn, _SQL["epochs"], asked)
        return f"{own}{ports.BESIDE}{others}"

    async def reviews(self, source: str) -> Mapping[int, ports.Review]:
        """See ports.Reviews.reviews."""
        async with self._db.transaction() as conn:
            found = await connections.fetch(conn, _SQL["reviews"], {"source": source})
        return {row[0]: _review(row) for row in found}

    async def record_review(
        self, worker: str, source: str, review: ports.Review, plan: model.Plan | None
    ) -> None:
        """See ports.Reviews.record_review."""
        said = {
            "source": source,
            "number": review.number,
            "head": review.head,
            "base": review.base,
            "epochs": review.epochs,
            "tree": review.tree,
            "plan_id": plan.id if plan else None,
            "destroys": encode.document([list(key) for key in review.destroys]),
            "verdict": review.verdict,
            "title": encode.text(review.title),
            "digest": review.digest,
        }
        async with self._held(worker, source) as conn:
            if plan is not None:
                await plans.keep(conn, plan, commit=review.head)
            await conn.execute(_SQL["record"], said)

    async def review_posted(
        self, worker: str, source: str, number: int, digest: str, *, again: str = ""
    ) -> None:
        """See ports.Reviews.review_posted."""
        async with self._held(worker, source) as conn:
            params = {"source": source, "number": number, "digest": digest, "again": again}
            await conn.execute(_SQL["posted"], params)

    async def commit_in_force(self, source: str) -> str | None:
        """See ports.Reviews.commit_in_force."""
        async with self._db.transaction() as conn:
            found = await connections.fetch(conn, _SQL["in_force"], {"source": source})
        return str(found[0][0]) if found else None

    async def owners(self) -> Mapping[model.Key, str]:
        """See ports.Reviews.owners."""
        async with self._db.transaction() as conn:
            found = await connections.fetch(conn, _SQL["owners"])
        return {model.Key(*row[:3]): row[3] for row in found}

    async def commit_reports(self, source: str, commit: str) -> Sequence[ports.CommitReport]:
        """See ports.Reviews.commit_reports."""
        params = {"source": source, "commit": commit}
        async with self._db.transaction() as conn:
            found = await connections.fetch(conn, _SQL["open_reports"], params)
        return [ports.CommitReport(*row) for row in found]

    async def source_standings(self, source: str) -> Sequence[ports.SourceStanding]:
        """See ports.Reviews.source_standings."""
        async with self._db.transaction() as conn:
            found = await connections.fetch(conn, _SQL["standings"], {"source": source})
        return [ports.SourceStanding(model.Key(*row[:3]), *row[3:]) for row in found]

    async def begin_report(
        self, worker: str, source: str, *, commit: str, context: str, number: int | None
    ) -> None:
        """See ports.Reviews.begin_report."""
        params = {"source": source, "commit": commit, "context": context, "number": number}
        async with self._held(worker, source) as conn:
            await conn.execute(_SQL["begin_report"], params)

    async def reported(
        self,
        worker: str,
        source: str,
        report: ports.CommitReport,
        *,
        digest: str,
        ended: bool,
    ) -> None:
        """See ports.Reviews.reported."""
        params = {
            "source": source,
            "commit": report.commit,
            "context": report.context,
            "verdict": report.verdict,
            "digest": digest,
            "ended": ended,
            "again": report.again,
        }
        async with self._held(worker, source) as conn:
            await conn.execute(_SQL["reported"], params)

    async def bound_commit(self, source: str) -> str | None:
        """See ports.Reviews.bound_commit."""
        async with self._db.transaction() as conn:
            found = await connections.fetch(conn, _SQL["bound"], {"source": source})
        return str(found[0][0]) if found else None

    async def bind(
        self,
        worker: str,
        source: str,
        *,
        commit: str,
        number: int | None,
        destroys: Sequence[model.Key] | None,
    ) -> None:
        """See ports.Reviews.bind."""
        said = None if destroys is None else encode.document(sorted(map(brakes.mark, destroys)))
        params = {"source": source, "commit": commit, "number": number, "destroys": said}
        async with self._held(worker, source) as conn:
            await conn.execute(_SQL["bind"], params)

    @contextlib.asynccontextmanager
    async def _held(self, worker: str, source: str) -> AsyncIterator[connections.Connection]:
        """A transaction in which the source is surely this worker's.

        Raises:
            errors.Conflict: it is another's.
        """
        async with self._db.transaction() as conn:
            params = {"worker": worker, "source": source}
            if not await connections.fetch(conn, _SQL["mine"], params):
                raise errors.Conflict(f'review: another worker looks at "{source}" now')
            yield conn


def _review(row: tuple[Any, ...]) -> ports.Review:
    return ports.Review(
        number=row[0],
        head=row[1],
        base=row[2],
        epochs=row[3],
        tree=row[4],
        verdict=row[5],
        title=row[6],
        digest=row[7],
        posted=row[8],
        destroys=tuple(model.Key(*key) for key in row[9]),
        plan_id=row[10],
        reviewed_at=row[11],
        again=row[12],
    )
