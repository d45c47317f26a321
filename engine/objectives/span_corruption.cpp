// SPDX-License-Identifier: GPL-3.0-or-later
// Span corruption (Raffel et al. 2020, section 3.1.4): spans of a text are cut out, each leaves a
// sentinel behind, and the decoder writes every sentinel with its span. Which ones is drawn anew
// each time a row is seen, by T5's own rule: noise and the rest are each parted at random, and laid
// by turns, the rest first. An evaluation tells the share of labels that are the likeliest tokens
// ("accuracy"), and that of spans which come out whole, what ends them included ("exact_spans"),
// given those before.
#include <algorithm>
#include <cmath>
#include <unordered_set>

#include "engine/base/random_stream.h"
#include "engine/objectives/rewritten.h"
#include "engine/objectives/token_hits.h"

namespace luthier {

namespace {

struct SpanSettings {
  double density = 0.15, mean_length = 3;
};

/// How many tokens of `length` are cut out, in how many spans.
struct Noise {
  std::int64_t tokens = 0, spans = 0;
};

/// `sentinels`: so many spans can be told apart. A text of one token is too short to cut from.
Noise noise_of(std::int64_t length, const SpanSettings& settings, std::int64_t sentinels) {
  if (length < 2) return {};
  Noise noise;
  const double wanted = std::nearbyint(settings.density * static_cast<double>(length));
  noise.tokens = std::clamp<std::int64_t>(static_cast<std::int64_t>(wanted), 1, length - 1);
  const double spans = std::nearbyint(static_cast<double>(noise.tokens) / settings.mean_length);
  const std::int64_t most = std::min({noise.tokens, length - noise.tokens, sentinels});
  noise.spans = std::clamp<std::int64_t>(static_cast<std::int64_t>(spans), 1, most);
  return noise;
}

/// `items` in `count` parts of at least one each, any way of parting them as likely as another.
std::vector<std::int64_t> random_parts(std::int64_t items, std::int64_t count,
                                       RandomStream& draws) {
  std::vector<std::int64_t> parts;
  std::int64_t borders = count - 1, length = 0;
  for (std::int64_t places = items - 1; places >= 0; --places) {
    ++length;
    if (places == 0 || draws.unit() * static_cast<double>(places) < static_cast<double>(borders)) {
      parts.push_back(length);
      length = 0;
      --borders;
    }
  }
  return parts;
}

/// Makes of a row of a text (input_ids) what is read (source_ids), what is written (labels) and
/// what the decoder gets for it (input_ids: the same, one later).
void corrupt(Example& example, const SpanSettings& settings, RandomStream draws,
             const std::vector<TokenId>& sentinels, TokenId end, TokenId start) {
  std::vector<TokenId> text = std::move(example.input_ids);
  if (!text.empty() && text.back() == end) text.pop_back();
  const auto length = static_cast<std::int64_t>(text.size());
  const Noise noise = noise_of(length, settings, static_cast<std::int64_t>(sentinels.size()));
  std::vector<TokenId> read, written;
  auto at = text.begin();
  const auto move = [&](std::int64_t count, std::vector<TokenId>& to) {
    to.insert(to.end(), at, at + count);
    at += count;
  };
  if (noise.spans > 0) {
    const auto cut = random_parts(noise.tokens, noise.spans, draws),
               left = random_parts(length - noise.tokens, noise.spans, draws);
    for (std::size_t i = 0; i < cut.size(); ++i) {
      move(left[i], read);
      read.push_back(sentinels[i]);
      written.push_back(sentinels[i]);
      move(cut[i], written);
    }
  } else {  // all of it is left, and stands in the target as one sentinel
    move(length, read);
    if (length > 0) written.push_back(sentinels.front());
  }
  read.push_back(end);
  written.push_back(end);
  example.source_ids = std::move(read);
  example.labels.assign(written.begin(), written.end());
  written.pop_back();
  written.insert(written.begin(), start);
  example.input_ids = std::move(written);
}

/// `<extra_id_0>` and those that follow, as far as the tokenizer has them.
std::vector<TokenId> sentinels_of(const Tokenizer& tokenizer) {
  std::vector<TokenId> found;
  while (true) {
    const auto id = tokenizer.token_to_id("<extra_id_" + std::to_string(found.size()) + ">");
    if (!id) return found;
    found.push_back(*id);
  }
}

/// A span's labels are its tokens and the sentinel or end behind them. The target's first sentinel
/// is of none, and so is a text that nothing was cut out of.
LabelPieces spans_of(const Batch& batch, const std::vector<TokenId>& sentinels) {
  const std::unordered_set<TokenId> known(sentinels.begin(), sentinels.end());
  LabelPieces spans;
  for (std::size_t i = 0; i < batch.sequences.size(); ++i) {
    const Example& example = batch.example(i);
    const bool cut = example.labels.size() > 2;
    for (std::size_t at = 0; at < example.labels.size(); ++at) {
      const bool first = at == 0 || !cut;
      spans.of_label.push_back(first ? -1 : spans.count);
      const bool ends = known.contains(example.labels[at]) || at + 1 == example.labels.size();
      if (!first && ends) ++spans.count;
    }
  }
  return spans;
}

class SpanCorruption : public Rewritten {
 public:
  explicit SpanCorruption(const SpanSettings& settings) : settings_(settings) {}

  Status fits(const LoadedModel& base) const override {
    const std::string type = base.family->model_type;
    if (!base.model->sequence_to_sequence())
      return input_error("A model of type " + type +
                             " does not write one text from another, so nothing can be cut out.",
                         "objective", "Choose sft, or mlm for an encoder.");
    const Tokenizer& tokenizer = base.processor->tokenizer();
    if (sentinels_of(tokenizer).empty())
      return input_error("The tokenizer has no <extra_id_0> to stand for what is cut out.",
                         base.folder.string(), "Take a tokenizer with sentinels, as T5's are.");
    if (tokenizer.special().eos) return {};
    return input_error("The tokenizer has no eos_token.",
                       (base.folder / "tokenizer_config.json").string() + ": eos_token");
  }

  Status roll_out(Policy& policy, MicroBatch& rows, std::uint64_t seed) override {
    const LoadedModel& base = policy.base();
    const Tokenizer& tokenizer = base.processor->tokenizer();
    const TokenId start = base.model->sequence_to_sequence()->start_token();
    const std::vector<TokenId> sentinels = sentinels_of(tokenizer);
    std::uint64_t number = 0;
    for (EncodedRow& row : rows.encoded) {
      for (Example& example : row.sequences) {
        corrupt(example, settings_, RandomStream(seed, number++), sentinels,
                *tokenizer.special().eos, start);
      }
    }
    return {};
  }

  std::map<std::string, torch::Tensor> evaluated(Policy& policy, const Batch& batch,
                                                 const torch::Tensor& states,
                                                 const torch::Tensor& target) override {
    const auto sentinels = sentinels_of(policy.base().processor->tokenizer());
    return hit_figures(hit_labels(states, policy.model().output_head(), target),
                       spans_of(batch, sentinels), "exact_spans");
  }

  RowLengths lengths_used(const std::vector<std::int64_t>& lengths,
                          std::int64_t /*labels*/) const override {
    constexpr std::int64_t kSentinels = 100;  // T5's
    RowLengths used;
    for (const std::int64_t length : lengths) {
      const std::int64_t text = std::max<std::int64_t>(0, length - 1);
      const Noise noise = noise_of(text, settings_, kSentinels);
      used.source.push_back(text - noise.tokens + noise.spans + 1);
      used.own.push_back(noise.tokens + std::max<std::int64_t>(1, noise.spans) + 1);
    }
    return used;
  }

 private:
  SpanSettings settings_;
};

}  // namespace

Result<std::unique_ptr<Objective>> make_span_corruption(const Recipe& recipe) {
  SpanSettings settings;
  settings.density = recipe.more.number("span_corruption.noise_density");
  settings.mean_length = recipe.more.number("span_corruption.mean_noise_span_length");
  return std::unique_ptr<Objective>(std::make_unique<SpanCorruption>(settings));
}

}  // namespace luthier
