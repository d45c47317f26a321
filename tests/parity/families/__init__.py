# SPDX-License-Identifier: GPL-3.0-or-later
"""The families that the suite knows, in the order of their cases."""
from families.aya_vision import AyaVision
from families.blip_2 import Blip2
from families.blip_2_t5 import Blip2T5
from families.chameleon import Chameleon
from families.cohere2 import Cohere2
from families.deepseek_ocr2 import DeepseekOcr2
from families.florence2 import Florence2
from families.fuyu import Fuyu
from families.gemma3 import Gemma3
from families.gemma3_text import Gemma3Text
from families.gemma3n import Gemma3n
from families.gemma3n_text import Gemma3nText
from families.gemma4 import Gemma4
from families.gemma4_text import Gemma4Text
from families.gemma4_unified import Gemma4Unified
from families.gemma4_unified_text import Gemma4UnifiedText
from families.glm import Glm, Glm4
from families.glm4v import Glm4v, Glm46V
from families.gpt2 import Gpt2
from families.idefics import Idefics
from families.idefics3 import Idefics3
from families.instructblip import InstructBlip
from families.internvl import InternVL
from families.lfm2 import Lfm2
from families.lfm2_vl import Lfm2Vl
from families.llama import Llama
from families.llava import Llava
from families.llava_next import LlavaNext
from families.llava_onevision import LlavaOnevision
from families.minicpmv4_6 import MiniCPMV46
from families.mistral import Mistral
from families.mistral3 import Mistral3
from families.opt import Opt
from families.ovis2 import Ovis2
from families.mllama import Mllama
from families.mllama_text_model import MllamaText
from families.paligemma import PaliGemma
from families.persimmon import Persimmon
from families.phi3 import Phi3
from families.phi4_multimodal import Phi4Multimodal
from families.qwen2 import Qwen2
from families.qwen2_5_vl import Qwen2_5VL
from families.qwen2_vl import Qwen2VL
from families.qwen3 import Qwen3
from families.qwen3_5 import Qwen3_5
from families.qwen3_5_moe import Qwen3_5Moe
from families.qwen3_5_text import Qwen3_5MoeText, Qwen3_5Text
from families.qwen3_vl import Qwen3VL
from families.qwen3_vl_moe import Qwen3VLMoe
from families.smollm3 import SmolLM3
from families.smolvlm import SmolVLM

FAMILIES = [Llava(), Qwen2VL(), SmolVLM(), Idefics3(), Qwen2_5VL(), Gemma3(), Gemma3n(),
            Gemma4(), Gemma4Unified(), PaliGemma(), Qwen3VL(), Qwen3VLMoe(), Qwen3_5(), Qwen3_5Moe(), Glm4v(),
            Glm46V(), MiniCPMV46(), LlavaNext(), LlavaOnevision(), InternVL(), Llama(), Qwen2(),
            Mistral3(), Lfm2Vl(), AyaVision(), Ovis2(), Mllama(), DeepseekOcr2(), Florence2(), Phi4Multimodal(),
            Mistral(), Qwen3(), SmolLM3(), Lfm2(), Cohere2(), Glm(), Glm4(), Phi3(), Qwen3_5Text(),
            Qwen3_5MoeText(), Gemma3Text(), Gemma3nText(), Gemma4Text(), Gemma4UnifiedText(),
            MllamaText(), Opt(), Gpt2(), Blip2(), Blip2T5(), InstructBlip(), Fuyu(), Idefics(), Chameleon(), Persimmon()]
