// SPDX-License-Identifier: GPL-3.0-or-later
// Infilling (Bavarian et al. 2022): a text is parted at two places drawn among its tokens, and its
// middle is written behind the rest. PSM is <prefix> beginning <suffix> end <middle> middle; SPM,
// in the form that shares its tokens with PSM, <prefix> <suffix> end <middle> beginning middle.
// Which texts and where is drawn anew each time a row is seen, by its place in the run. A text
// that grows beyond max_length by the three tokens loses of its end; one whose end is too short for
// that stays as it is. Every token is learned, an end token too, which says that the middle is
// over. An evaluation tells the share of labels that are the likeliest tokens ("accuracy"), and
// that of parted texts behind whose <middle> all of them are, the end too ("exact_middles").
#include <algorithm>

#include "engine/base/random_stream.h"
#include "engine/generate/answer_room.h"
#include "engine/objectives/router_loss.h"
#include "engine/objectives/token_hits.h"

namespace luthier {

namespace {

constexpr std::int64_t kMarks = 3;

struct InfillSettings {
  double rate = 0.5, suffix_first = 0.5;
  std::string prefix, suffix, middle;
  std::int64_t max_length = 0;
};

struct InfillTokens {
  TokenId prefix = 0, suffix = 0, middle = 0;
};

/// The text's own tokens in the order that they are learned in; unchanged where it is not parted.
/// `room`: how many more tokens the row may have; < 0: any.
std::vector<TokenId> infilled(const std::vector<TokenId>& text, const InfillSettings& settings,
                              const InfillTokens& tokens, std::int64_t room, RandomStream draws) {
  if (!draws.chance(settings.rate)) return text;
  const auto length = static_cast<std::int64_t>(text.size());
  const bool suffix_first = draws.chance(settings.suffix_first);
  const auto place = [&] {
    const auto drawn = static_cast<std::int64_t>(draws.unit() * static_cast<double>(length + 1));
    return std::min(drawn, length);
  };
  const std::int64_t one = place(), other = place();
  const auto from = text.begin() + std::min(one, other), to = text.begin() + std::max(one, other);
  auto end = text.end();
  if (room >= 0 && room < kMarks) {
    if (end - to <= kMarks - room) return text;
    end -= kMarks - room;
  }
  std::vector<TokenId> made{tokens.prefix};
  const auto add = [&made](auto first, auto last) { made.insert(made.end(), first, last); };
  if (!suffix_first) add(text.begin(), from);
  made.push_back(tokens.suffix);
  add(to, end);
  made.push_back(tokens.middle);
  if (suffix_first) add(text.begin(), from);
  add(from, to);
  return made;
}

/// The row in its new order, every token of it but what the tokenizer puts before all texts a
/// label. `limit`: tokens that it may have; 0: any.
void infill(Example& example, const InfillSettings& settings, std::int64_t limit,
            const InfillTokens& tokens, const Tokenizer& tokenizer, RandomStream draws) {
  const std::vector<TokenId>& ids = example.input_ids;
  auto first = ids.begin(), last = ids.end();
  while (first != last && tokenizer.is_special(*first)) ++first;
  while (last != first && tokenizer.is_special(*(last - 1))) --last;
  std::vector<TokenId> made(ids.begin(), first);
  const auto before = static_cast<std::ptrdiff_t>(made.size());
  const auto end = tokenizer.special().eos;
  const std::vector<TokenId> text(first, last);
  const auto without = static_cast<std::int64_t>(made.size() + text.size());
  // What was cut goes on, and has no end here.
  const bool has_room = (limit <= 0 || without < limit) && example.truncated_tokens == 0;
  const std::int64_t ends = end && has_room ? 1 : 0;
  const std::vector<TokenId> parted =
      infilled(text, settings, tokens, limit > 0 ? limit - without - ends : -1, draws);
  made.insert(made.end(), parted.begin(), parted.end());
  if (ends > 0) made.push_back(*end);
  example.labels.assign(made.begin(), made.end());
  std::fill_n(example.labels.begin(), before, kIgnoreLabel);
  example.input_ids = std::move(made);
}

/// A parted text's labels behind its <middle>.
LabelPieces middles_of(const Batch& batch, TokenId middle) {
  LabelPieces middles;
  for (std::size_t i = 0; i < batch.sequences.size(); ++i) {
    const Example& example = batch.example(i);
    bool behind = false;
    for (std::size_t at = 1; at < example.labels.size(); ++at) {
      behind = behind || example.input_ids[at - 1] == middle;
      if (example.labels[at] == kIgnoreLabel) continue;
      middles.of_label.push_back(behind ? middles.count : -1);
    }
    if (behind) ++middles.count;
  }
  return middles;
}

class Infilling : public Objective {
 public:
  Infilling(InfillSettings settings, const Recipe& recipe)
      : settings_(std::move(settings)), routers_(recipe, "infilling.router_aux_loss_coef") {}

  const RowKind& row_kind() const override { return text_rows(); }
  Status fits(const LoadedModel& base) const override {
    LUTHIER_CHECK(Objective::fits(base));
    if (settings_.rate > 0) {
      const Tokenizer& tokenizer = base.processor->tokenizer();
      const std::pair<const char*, const std::string*> named[] = {
          {"infilling.prefix_token", &settings_.prefix},
          {"infilling.suffix_token", &settings_.suffix},
          {"infilling.middle_token", &settings_.middle}};
      for (const auto& [key, token] : named) {
        if (tokenizer.token_to_id(*token)) continue;
        return input_error(
            "The tokenizer of " + base.folder.string() + " has no token \"" + *token + "\".",
            std::string("recipe: ") + key,
            "Name the one that it has, or set infilling.fim_rate to 0.");
      }
    }
    return routers_.fits(base);
  }
  WindowRule window_rule() const override { return WindowRule::Counts; }

  bool rolls_out() const override { return true; }
  Status roll_out(Policy& policy, MicroBatch& rows, std::uint64_t seed) override {
    const Tokenizer& tokenizer = policy.base().processor->tokenizer();
    const auto id = [&](const std::string& token) {
      return tokenizer.token_to_id(token).value_or(0);  // fits has asked
    };
    const InfillTokens tokens{id(settings_.prefix), id(settings_.suffix), id(settings_.middle)};
    const std::int64_t positions = positions_of(policy.base());
    std::int64_t limit = settings_.max_length;
    if (positions > 0) limit = limit > 0 ? std::min(limit, positions) : positions;
    std::uint64_t number = 0;
    for (EncodedRow& row : rows.encoded) {
      for (Example& example : row.sequences)
        infill(example, settings_, limit, tokens, tokenizer, RandomStream(seed, number++));
    }
    return {};
  }

  std::int64_t count(const MicroBatch& rows) const override { return rows.labels(); }
  LossSum loss(Policy& policy, const Batch& batch) override {
    const auto notes = routers_.notes(policy.model(), batch);
    if (policy.trains()) {
      LossSum loss = sft_loss(policy.model(), batch.input, notes);
      routers_.join(loss, policy.model(), notes);
      return loss;
    }
    const Linear head = policy.model().head();
    const LabelledStates states = labelled_states(policy.model(), batch.input, notes);
    LossSum loss;
    loss.count = states.target.size(0);
    if (loss.count == 0) return loss;
    loss.sum = chunked_cross_entropy(states.hidden, head, states.target, states.shares);
    routers_.join(loss, policy.model(), notes);
    const auto middle = policy.base().processor->tokenizer().token_to_id(settings_.middle);
    loss.figures.merge(hit_figures(hit_labels(states.hidden, head, states.target),
                                   middles_of(batch, middle.value_or(-1)), "exact_middles"));
    return loss;
  }
  bool adds_up(Model& model) const override { return routers_.weight_of(model) == 0; }
  LossCost cost(const Pass& pass, const HeadCost& head) const override {
    return cross_entropy_cost(pass, head);
  }

  RowLengths lengths_used(const std::vector<std::int64_t>& lengths,
                          std::int64_t /*labels*/) const override {
    RowLengths used;
    const std::int64_t more = settings_.rate > 0 ? kMarks + 1 : 1;
    for (const std::int64_t length : lengths) {
      const std::int64_t limit = settings_.max_length > 0 ? settings_.max_length : length + more;
      used.own.push_back(std::max(length, std::min(length + more, limit)));
    }
    return used;
  }

 private:
  const InfillSettings settings_;
  const RouterLoss routers_;
};

}  // namespace

Result<std::unique_ptr<Objective>> make_infilling(const Recipe& recipe) {
  const KindValues& values = recipe.more;
  InfillSettings settings;
  settings.rate = values.number("infilling.fim_rate");
  settings.suffix_first = values.number("infilling.fim_spm_rate");
  settings.prefix = values.text("infilling.prefix_token");
  settings.suffix = values.text("infilling.suffix_token");
  settings.middle = values.text("infilling.middle_token");
  settings.max_length = recipe.training.max_length;
  return std::unique_ptr<Objective>(std::make_unique<Infilling>(std::move(settings), recipe));
}

}  // namespace luthier
