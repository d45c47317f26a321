# SPDX-License-Identifier: GPL-3.0-or-later
"""What DeBERTa's authors have and transformers has no class of, put together of transformers' layers: the enhanced mask decoder (He et al. 2021), and the
discriminator of v3 (He et al. 2023)."""
import torch
from transformers.activations import ACT2FN
from transformers.modeling_outputs import MaskedLMOutput
from transformers.models.deberta_v2 import modeling_deberta_v2 as deberta


class EnhancedDeberta(deberta.DebertaV2PreTrainedModel):
    """A masked language model whose last layer runs twice, of queries that begin with the positions."""
    _tied_weights_keys = deberta.DebertaV2ForMaskedLM._tied_weights_keys

    def __init__(self, config):
        super().__init__(config)
        self.deberta = deberta.DebertaV2Model(config)
        self.deberta.embeddings.position_embeddings = torch.nn.Embedding(config.max_position_embeddings, config.hidden_size)
        if config.legacy:
            self.cls = deberta.LegacyDebertaV2OnlyMLMHead(config)
        else:
            self._tied_weights_keys = {}
            self.lm_predictions = deberta.DebertaV2OnlyMLMHead(config)
        self.post_init()

    def get_output_embeddings(self):
        return self.cls.predictions.decoder if self.config.legacy else None

    def forward(self, input_ids, attention_mask=None, labels=None, **_):
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        body, encoder = self.deberta, self.deberta.encoder
        below = body(input_ids, attention_mask=mask, output_hidden_states=True).hidden_states[-2]
        asking = body.embeddings.position_embeddings(torch.arange(input_ids.shape[1])) + below
        for _step in range(2):
            asking, _ = encoder.layer[-1](below, encoder.get_attention_mask(mask), query_states=asking, relative_pos=encoder.get_rel_pos(below),
                                          rel_embeddings=encoder.get_rel_embedding())
        logits = self.cls(asking) if self.config.legacy else self.lm_predictions(asking, body.embeddings.word_embeddings)
        loss = None if labels is None else torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())
        return MaskedLMOutput(loss=loss, logits=logits)


class ReplacedTokenHead(torch.nn.Module):
    def __init__(self, config):
        super().__init__()
        self.dense = torch.nn.Linear(config.hidden_size, config.hidden_size)
        self.LayerNorm = torch.nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.classifer = torch.nn.Linear(config.hidden_size, 1)   # spelled so
        self.act = ACT2FN[config.hidden_act]

    def forward(self, states):
        return self.classifer(self.act(self.dense(self.LayerNorm(states[:, :1] + states)))).squeeze(-1)


class ReplacedTokenDetectionModel(deberta.DebertaV2PreTrainedModel):
    """v3's discriminator, by the authors' name, which config.json then has."""

    def __init__(self, config):
        super().__init__(config)
        self.deberta = deberta.DebertaV2Model(config)
        self.mask_predictions = ReplacedTokenHead(config)
        self.post_init()

    def forward(self, input_ids, attention_mask=None, labels=None, **_):
        logits = self.mask_predictions(self.deberta(input_ids, attention_mask=attention_mask)[0])
        loss = None
        if labels is not None:
            real = torch.ones_like(labels, dtype=torch.bool) if attention_mask is None else attention_mask == 1
            loss = torch.nn.functional.binary_cross_entropy_with_logits(logits[real], labels[real].float())
        return MaskedLMOutput(loss=loss, logits=logits)
