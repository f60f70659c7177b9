from servemark.simulation.prefixes import prefix_of


def names(prefix):
    """The cache's name of every full engine block."""
    return [(key, at) for key, low, high in prefix.pieces(0, prefix.blocks) for at in range(low, high)]


def test_engine_blocks_lie_inside_trace_blocks():
    # Trace blocks of 32 tokens, engine blocks of 16: two each; 70 tokens hold four full engine blocks.
    assert names(prefix_of((5, 6, 7), 32, 16, 70)) == [(5, 0), (5, 1), (6, 0), (6, 1)]
    assert names(prefix_of((5, 6), 32, 16, 47)) == [(5, 0), (5, 1)]


def test_engine_blocks_that_do_not_divide_are_named_by_where_they_end():
    # Engine blocks of 4 over trace blocks of 3 end in trace blocks 1, 2 and 3.
    one = names(prefix_of((1, 2, 3, 4), 3, 4, 12))
    other = names(prefix_of((1, 2, 3, 8), 3, 4, 12))
    assert len(set(one)) == 3
    assert one[:2] == other[:2]
    assert one[2] != other[2]


def test_pieces_start_and_end_inside_a_hash():
    prefix = prefix_of((5, 6, 7), 64, 16, 192)
    assert list(prefix.pieces(2, 9)) == [(5, 2, 4), (6, 0, 4), (7, 0, 1)]
