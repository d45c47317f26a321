# SPDX-License-Identifier: GPL-3.0-or-later
"""Decoders alone."""
from sizes.size import COUNT, READ, decoder, llama_like


def qwen2(parameters, hidden, width, layers, heads, groups, vocabulary=151936, tied=True):
    return decoder(parameters, COUNT, "qwen", "chatml", tie_word_embeddings=tied,
                   max_position_embeddings=32768,
                   **llama_like(hidden, width, layers, heads, groups, vocabulary))


def qwen3(parameters, hidden, width, layers, heads, tied=True):
    return decoder(parameters, COUNT, "qwen", "chatml", head_dim=128, tie_word_embeddings=tied,
                   max_position_embeddings=40960,
                   **llama_like(hidden, width, layers, heads, 8, 151936))


def llama(parameters, hidden, width, layers, heads, groups, vocabulary=128256, tied=False):
    return decoder(parameters, COUNT, "llama_bos", "vicuna", tie_word_embeddings=tied,
                   max_position_embeddings=4096,
                   **llama_like(hidden, width, layers, heads, groups, vocabulary))


LFM2_LAYERS = [kind for kind, times in (("conv", 2), ("full_attention", 1)) * 3 +
               (("conv", 1), ("full_attention", 1)) * 3 + (("conv", 1),) for _ in range(times)]
LFM2_LONG = ["full_attention" if layer in (2, 5, 9, 13, 17, 21, 24, 27) else "conv"
             for layer in range(30)]
LFM2 = {
    "350M": llama_like(1024, 6656, 16, 16, 8, 65536, layer_types=LFM2_LAYERS),
    "700M": llama_like(1536, 10240, 16, 24, 8, 65536, layer_types=LFM2_LAYERS),
    "1.2B": llama_like(2048, 12288, 16, 32, 8, 65536, layer_types=LFM2_LAYERS),
    "2.6B": llama_like(2048, 10752, 30, 32, 8, 65536, layer_types=LFM2_LONG,
                       block_auto_adjust_ff_dim=False),
}


def lfm2(parameters, name):
    return decoder(parameters, COUNT, "qwen", "chatml", max_position_embeddings=128000,
                   **LFM2[name])


COMMAND_R7B = llama_like(4096, 14336, 32, 32, 8, 256000, max_position_embeddings=8192)
MLLAMA_11B = llama_like(4096, 14336, 40, 32, 8, 128256, max_position_embeddings=131072)
MLLAMA_90B = llama_like(8192, 28672, 100, 64, 8, 128256, max_position_embeddings=131072,
                        cross_attention_layers=list(range(3, 100, 5)))


def glm(parameters):
    """Both as transformers' default of their configuration."""
    return decoder(parameters, READ, "qwen", "chatml", head_dim=128, attention_bias=True,
                   tie_word_embeddings=False, **llama_like(4096, 13696, 40, 32, 2, 151552))


def phi3(parameters, hidden, width, layers, heads, groups, vocabulary=32064, tied=False, **more):
    return decoder(parameters, COUNT, "qwen", "chatml", tie_word_embeddings=tied,
                   max_position_embeddings=4096, **more,
                   **llama_like(hidden, width, layers, heads, groups, vocabulary))


SIZES = {
    "phi3": {
        "Phi-3 mini 4k": phi3(3_821_079_552, 3072, 8192, 32, 32, 32, sliding_window=2047),
        "Phi-4 mini": phi3(3_836_021_760, 3072, 8192, 32, 24, 8, vocabulary=200064, tied=True,
                           rope_parameters=dict(rope_type="default", rope_theta=1e4,
                                                partial_rotary_factor=0.75)),
        "Phi-3 medium 4k": phi3(13_960_238_080, 5120, 17920, 40, 40, 10, sliding_window=2047),
    },
    "llama": {
        "Llama 3.2 1B": llama(1_235_814_400, 2048, 8192, 16, 32, 8, tied=True),
        "Llama 3.2 3B": llama(3_212_749_824, 3072, 8192, 28, 24, 8, tied=True),
        "Llama 2 7B": llama(6_738_415_616, 4096, 11008, 32, 32, 32, vocabulary=32000),
        "Llama 3.1 8B": llama(8_030_261_248, 4096, 14336, 32, 32, 8),
    },
    "mistral": {
        "Mistral 7B v0.1": llama(7_241_732_096, 4096, 14336, 32, 32, 8, vocabulary=32000),
    },
    "qwen2": {
        "Qwen2.5 0.5B": qwen2(494_032_768, 896, 4864, 24, 14, 2),
        "Qwen2.5 1.5B": qwen2(1_543_714_304, 1536, 8960, 28, 12, 2),
        "Qwen2.5 3B": qwen2(3_085_938_688, 2048, 11008, 36, 16, 2),
        "Qwen2.5 7B": qwen2(7_615_616_512, 3584, 18944, 28, 28, 4, vocabulary=152064, tied=False),
    },
    "qwen3": {
        "Qwen3 0.6B": qwen3(596_049_920, 1024, 3072, 28, 16),
        "Qwen3 1.7B": qwen3(1_720_574_976, 2048, 6144, 28, 16),
        "Qwen3 4B": qwen3(4_022_468_096, 2560, 9728, 36, 32),
        "Qwen3 8B": qwen3(8_190_735_360, 4096, 12288, 36, 32, tied=False),
    },
    "smollm3": {
        "SmolLM3 3B": decoder(3_075_098_624, COUNT, "qwen", "chatml", tie_word_embeddings=True,
                              **llama_like(2048, 11008, 36, 16, 4, 128256)),
    },
    "lfm2": {
        "LFM2 350M": lfm2(354_483_968, "350M"),
        "LFM2 700M": lfm2(742_489_344, "700M"),
        "LFM2 1.2B": lfm2(1_170_340_608, "1.2B"),
        "LFM2 2.6B": lfm2(2_569_272_320, "2.6B"),
    },
    "cohere2": {
        "Command R7B": decoder(8_028_033_024, COUNT, "cohere", "cohere", **COMMAND_R7B),
        "Command A 111B": decoder(111_057_580_032, COUNT, "cohere", "cohere",
                                  **llama_like(12288, 36864, 64, 96, 8, 256000)),
    },
    "glm": {"GLM-4 9B": glm(9_399_951_360)},
    "glm4": {"GLM-4-0414 9B": glm(9_400_279_040)},
    "mllama_text_model": {
        "Llama 3.2 Vision 11B, its text half": decoder(
            9_775_192_080, READ, "llama_bos", "vicuna", **MLLAMA_11B),
        "Llama 3.2 Vision 90B, its text half": decoder(
            87_666_865_192, READ, "llama_bos", "vicuna", **MLLAMA_90B),
    },
}
