# SPDX-License-Identifier: GPL-3.0-or-later
"""OPT, by itself and behind a Q-Former."""
from sizes.size import COUNT, decoder


def opt(parameters, hidden, layers, heads):
    return decoder(parameters, COUNT, "bart", "inst", hidden_size=hidden, ffn_dim=4 * hidden,
                   num_hidden_layers=layers, num_attention_heads=heads, vocab_size=50272,
                   max_position_embeddings=2048)


SIZES = {
    "opt": {"125M": opt(125_239_296, 768, 12, 12), "1.3B": opt(1_315_758_080, 2048, 24, 32),
            "2.7B": opt(2_651_596_800, 2560, 32, 32), "6.7B": opt(6_658_473_984, 4096, 32, 32)},
}
