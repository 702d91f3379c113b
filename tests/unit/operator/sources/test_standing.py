from pilothouse_operator.sources.standing import REFILL_S, Belief, Crd, Service, Standing

OLD = Crd(Service.SERVED, "old")
GOING = Crd(Service.TERMINATING, "old")
GONE = Crd(Service.GONE)
NEW = Crd(Service.SERVED, "new")


def settled() -> Standing:
    standing = Standing()
    assert standing.list_belief(OLD, listed=3, known=0, now=0) is Belief.WHOLE
    return standing


def test_a_list_under_the_same_crd_is_believed_even_when_it_is_empty() -> None:
    standing = settled()
    assert standing.list_belief(OLD, listed=0, known=3, now=1) is Belief.WHOLE
    assert not standing.held


def test_a_deletion_under_the_same_crd_is_believed() -> None:
    assert settled().deletion_belief(OLD)


def test_a_deletion_while_the_crd_goes_is_not() -> None:
    for crd in (GOING, GONE, NEW):
        standing = settled()
        assert not standing.deletion_belief(crd)
        assert standing.held


def test_what_is_known_stands_while_the_crd_goes_and_is_gone() -> None:
    standing = settled()
    for crd in (GOING, GONE):
        assert standing.list_belief(crd, listed=0, known=3, now=1) is Belief.NOTHING
        assert standing.held


def test_an_empty_list_under_a_new_crd_takes_nothing_away() -> None:
    standing = settled()
    standing.list_belief(GONE, listed=0, known=3, now=1)
    assert standing.list_belief(NEW, listed=0, known=3, now=1000) is Belief.NOTHING
    assert standing.held


def test_a_crd_that_was_replaced_unseen_takes_nothing_away_either() -> None:
    standing = settled()
    assert standing.list_belief(NEW, listed=0, known=3, now=1) is Belief.NOTHING
    assert standing.held


def test_a_new_crd_is_refilled_before_it_is_believed() -> None:
    standing = settled()
    standing.list_belief(GONE, listed=0, known=3, now=1)
    assert standing.list_belief(NEW, listed=1, known=3, now=100) is Belief.ADDITIONS
    assert standing.refilling
    assert standing.list_belief(NEW, listed=2, known=3, now=100 + REFILL_S - 1) is Belief.ADDITIONS
    assert not standing.deletion_belief(NEW)
    assert standing.list_belief(NEW, listed=2, known=3, now=100 + REFILL_S) is Belief.WHOLE
    assert not standing.held
    assert standing.deletion_belief(NEW)


def test_a_crd_that_goes_again_while_it_refills_begins_anew() -> None:
    standing = settled()
    standing.list_belief(NEW, listed=1, known=3, now=0)
    standing.list_belief(GONE, listed=0, known=3, now=10)
    assert standing.list_belief(NEW, listed=1, known=3, now=REFILL_S + 5) is Belief.ADDITIONS


def test_without_the_right_to_read_crds_a_kind_that_was_gone_is_refilled_too() -> None:
    standing = Standing()
    standing.list_belief(Crd(Service.SERVED), listed=3, known=0, now=0)
    standing.list_belief(GONE, listed=0, known=3, now=1)
    assert standing.list_belief(Crd(Service.SERVED), listed=1, known=3, now=2) is Belief.ADDITIONS


def test_where_nothing_was_known_nothing_is_held() -> None:
    standing = Standing()
    assert standing.list_belief(GONE, listed=0, known=0, now=0) is Belief.NOTHING
    assert not standing.held
    assert standing.list_belief(NEW, listed=0, known=0, now=1) is Belief.WHOLE
