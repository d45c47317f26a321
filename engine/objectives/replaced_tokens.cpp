// SPDX-License-Identifier: GPL-3.0-or-later
// Replaced token detection (ELECTRA, Clark et al. 2020), as the authors' run_pretraining has it:
// tokens of a row are covered, a small generator says what stood there, each covered place gets a
// token that is drawn of what it says, and the model, a discriminator, tells of every token of the
// row whether it is another one. Where the draw meets the original, it is none. The loss is the
// generator's, a mean over the covered places, and discriminator_weight times the discriminator's,
// a mean over all tokens; no gradient goes through the draw. Both begin with the same tables, whose
// gradients come together, or the discriminator's are the generator's with something of its own
// added (DeBERTa v3, He et al. 2023; models/shared_tables.h).
//
// The draws of a row go by the seed of its micro-batch and its place there: one stream covers it,
// another has a number a token, by which a covered one is drawn: the first token up to which the
// probabilities, in the order of ids, come to more than that number. That is the same choice as the
// authors' largest of logits with Gumbel noise, by one number in place of a vocabulary's.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/base/random_stream.h"
#include "engine/hub/folder_kind.h"
#include "engine/models/cost.h"
#include "engine/models/shared_tables.h"
#include "engine/objectives/joint_model.h"
#include "engine/objectives/masking.h"
#include "engine/objectives/objective.h"
#include "engine/objectives/token_hits.h"

namespace luthier {

namespace {

using torch::Tensor;

constexpr const char* kGenerator = "replaced_tokens.generator";
constexpr std::uint64_t kSampleDraws = 1;  // beside the stream that covers a row's tokens

/// Of each row of states [n, width] the token that its number of `units` [n] in [0, 1) falls to:
/// [n] int64, without a graph. Logits exist for a chunk of rows at a time.
Tensor drawn_tokens(const Tensor& states, const Linear& head, const Tensor& units) {
  const torch::NoGradGuard no_grad;
  const Tensor drawn = torch::zeros({states.size(0)}, units.options().dtype(torch::kInt64));
  const auto draw = [&](const Tensor& logits, std::int64_t begin, std::int64_t end, bool) {
    const Tensor sums = at::softmax(logits.to(torch::kFloat32), -1).cumsum(-1);
    // As a share of the last sum, which rounding keeps from being 1.
    const Tensor wanted = units.slice(0, begin, end).unsqueeze(1) * sums.slice(1, sums.size(1) - 1);
    drawn.slice(0, begin, end).copy_(sums.le(wanted).sum(-1).clamp_max(sums.size(1) - 1));
    return torch::zeros({}, units.options());
  };
  chunked_loss(states.detach(), head, loss_chunk(head->out_features(), states.is_cpu()), draw);
  return drawn;
}

/// What came of a micro-batch.
struct JointPass {
  Tensor generator_loss;  ///< []; undefined: nothing was covered
  Tensor generator_hits;  ///< [covered] float32, where they were asked for
  Tensor ids, replaced;   ///< [tokens] int64, as the discriminator reads them; bool
  Tensor said;            ///< [tokens] float32, the discriminator's logits
  std::int64_t covered = 0;

  Tensor discriminator_loss() const {
    return at::binary_cross_entropy_with_logits(said, replaced.to(torch::kFloat32));
  }
};

class ReplacedTokens : public Objective, public JointModel {
 public:
  explicit ReplacedTokens(const Recipe& recipe)
      : recipe_(recipe),
        weight_(recipe.more.number("replaced_tokens.discriminator_weight")),
        disentangled_(recipe.more.text("replaced_tokens.table_sharing") != "shared") {
    masking_rule_.probability = recipe.more.number("replaced_tokens.mlm_probability");
    masking_rule_.mask = recipe.more.number("replaced_tokens.mask_replace_prob");
    masking_rule_.random = 0;
    plan_.name = "generator";
    plan_.folder = recipe.more.text(kGenerator);
    plan_.field = kGenerator;
    plan_.gradients = "generator_grad.";
  }

  const RowKind& row_kind() const override { return text_rows(); }

  Status can_begin() const override {
    const Status found = check_model_folder(plan_.folder);
    if (found) return {};
    Error refused = found.error();
    refused.where = std::string(kGenerator) + ": " + refused.where;
    return refused;
  }
  Status fits(const LoadedModel& base) const override {
    Classifier* model = base.model->classifier();
    const bool tells = model && model->classes().of == ClassOptions::Of::Token &&
                       model->classes().names == std::vector<std::string>{"original", "replaced"};
    if (!tells)
      return input_error(
          "A model of type " + std::string(base.family->model_type) +
              " as it is stored does not tell replaced tokens from others.",
          (base.folder / "config.json").string() + ": architectures",
          "Such a folder is one of ElectraForPreTraining, or a DeBERTa with the head "
          "that `luthier-cli head MODEL --of replaced` gives it.");
    if (base.processor->tokenizer().special().mask) return {};
    return input_error("The tokenizer has no mask_token.",
                       (base.folder / "tokenizer_config.json").string() + ": mask_token");
  }

  CompanionPlan companion() const override { return plan_; }
  void take_companion(std::shared_ptr<Companion> companion) override {
    generator_ = std::move(companion);
  }
  Result<CompanionStart> companion_begins() const override {
    LUTHIER_CHECK(can_begin());
    CompanionStart start{false, plan_.folder, recipe_};
    start.recipe.objective = "mlm";
    start.recipe.adapter = {};
    start.recipe.strategy = "full";
    return start;
  }
  Status join(LoadedModel& companion, const LoadedModel& policy) override {
    const std::string where = std::string(kGenerator) + ": " + plan_.folder;
    if (!companion.model->encoder())
      return input_error("The generator does not say what was covered.", where,
                         "Name a folder of ElectraForMaskedLM, or of DebertaV2ForMaskedLM.");
    if (!disentangled_) return share_tables(*policy.model, *companion.model, where);
    LUTHIER_TRY(tables_,
                DisentangledTables::begin(*policy.model, *companion.model, policy.drawn, where));
    return {};
  }
  bool shares(const std::string& module) const override {
    return !disentangled_ && is_shared_table(module);
  }
  bool keeps_before(const std::string& module) const override {
    return disentangled_ && is_shared_table(module);
  }
  void make_masters(std::map<std::string, Tensor>& masters) const override {
    if (tables_) tables_->add_sums(plan_.prefix(), masters);
  }

  bool rolls_out() const override { return true; }
  Status roll_out(Policy& policy, MicroBatch& rows, std::uint64_t seed) override {
    if (!masking_) masking_.emplace(masking_rule_, policy.base().processor->tokenizer());
    std::uint64_t number = 0;
    for (EncodedRow& row : rows.encoded) {
      Example& example = row.sequences.front();
      masking_->cover(example, RandomStream(seed, number));
      RandomStream draws(seed, number++, kSampleDraws);
      row.targets.clear();
      for (std::size_t i = 0; i < example.input_ids.size(); ++i)
        row.targets.push_back(draws.unit());
    }
    return {};
  }

  /// A row is learned from where nothing of it was covered, too.
  std::int64_t count(const MicroBatch& rows) const override {
    return static_cast<std::int64_t>(rows.encoded.size());
  }

  LossSum loss(Policy& policy, const Batch& batch) override {
    const JointPass pass = run_both(policy, batch, /*hits=*/!policy.trains());
    const Tensor discriminator = pass.discriminator_loss();
    Tensor mean = discriminator * weight_;
    if (pass.generator_loss.defined()) mean = mean + pass.generator_loss;
    LossSum loss;
    loss.count = static_cast<std::int64_t>(batch.sequences.size());
    loss.sum = mean * loss.count;
    loss.figures = figures(pass, discriminator);
    return loss;
  }

  std::int64_t labels_used(std::int64_t labels) const override {
    return std::llround(masking_rule_.probability * static_cast<double>(labels));
  }
  /// A number of each token, what it should be, and their gradients.
  LossCost cost(const Pass& pass, const HeadCost&) const override {
    return {6 * pass.terms.floats(2 * pass.tokens), 0};
  }

  NamedTensors shown(Policy& policy, const Batch& batch) override {
    const torch::NoGradGuard no_grad;
    const JointPass pass = run_both(policy, batch, false);
    std::vector<Tensor> covered, seen, attention, labels, replaced, said;
    std::int64_t at = 0;
    for (std::size_t i = 0; i < batch.sequences.size(); ++i) {
      const Example& example = batch.example(i);
      const std::int64_t end = at + std::ssize(example.input_ids);
      covered.push_back(torch::tensor(example.input_ids, torch::kInt64));
      labels.push_back(torch::tensor(example.labels, torch::kInt64));
      attention.push_back(torch::ones_like(covered.back()));
      seen.push_back(pass.ids.slice(0, at, end).cpu());
      replaced.push_back(pass.replaced.slice(0, at, end).to(torch::kInt64).cpu());
      said.push_back(pass.said.slice(0, at, end).cpu());
      at = end;
    }
    const auto padding = static_cast<double>(batch.padding);
    return {{"input_ids", at::pad_sequence(covered, true, padding)},
            {"attention_mask", at::pad_sequence(attention, true, 0)},
            {"labels", at::pad_sequence(labels, true, static_cast<double>(kIgnoreLabel))},
            {"sampled_ids", at::pad_sequence(seen, true, padding)},
            {"replaced", at::pad_sequence(replaced, true, 0)},
            {"logits", at::pad_sequence(said, true, 0)}};
  }

 private:
  /// The numbers of the covered places, in their order: [covered] float32.
  static Tensor units_of(const Batch& batch) {
    std::vector<double> units;
    for (std::size_t i = 0; i < batch.sequences.size(); ++i) {
      const EncodedRow& row = batch.rows->encoded[batch.sequences[i].row];
      const Example& example = batch.example(i);
      TORCH_CHECK(row.targets.size() == example.labels.size(), "a row has no draws");
      for (std::size_t at = 0; at < example.labels.size(); ++at)
        if (example.labels[at] != kIgnoreLabel) units.push_back(row.targets[at]);
    }
    return torch::tensor(units, torch::kFloat64).to(torch::kFloat32);
  }

  JointPass run_both(Policy& policy, const Batch& batch, bool hits) {
    TORCH_CHECK(generator_, "nobody has given the objective its generator");
    JointPass pass;
    const Tensor places = label_places(batch.input);
    pass.covered = places.size(0);
    const auto first = batch.input.lengths.begin();
    const std::int64_t tokens =  // without filler
        std::accumulate(first, first + std::ssize(batch.sequences), std::int64_t{0});
    const Tensor originals =
        batch.input.input_ids.index_copy(0, places, batch.input.labels.index_select(0, places));
    ModelInput seen = batch.input;
    if (pass.covered > 0) {
      Policy& own = *generator_->policy;
      const Batch asked =
          own.batch(*batch.rows, batch.order,
                    policy.trains() ? BatchMaker::Pass::Training : BatchMaker::Pass::Evaluation);
      Encoder& encoder = *own.model().encoder();
      const Tensor own_places = label_places(asked.input),
                   states =
                       encoder.before_head(encoder.encode(asked.input).index_select(0, own_places)),
                   target = asked.input.labels.index_select(0, own_places);
      pass.generator_loss =
          chunked_cross_entropy(states, encoder.head(), target) / static_cast<double>(pass.covered);
      if (hits) pass.generator_hits = hit_labels(states, encoder.head(), target);
      const Tensor drawn =
          drawn_tokens(states, encoder.head(), units_of(batch).to(states.device()));
      seen.input_ids = originals.index_copy(0, places, drawn.to(originals.device()));
    } else {
      seen.input_ids = originals;
    }
    const Tensor both = policy.model().classifier()->classify(seen).to(torch::kFloat32);
    pass.said = (both.select(1, 1) - both.select(1, 0)).slice(0, 0, tokens);
    pass.ids = seen.input_ids.slice(0, 0, tokens);
    pass.replaced = pass.ids.ne(originals.slice(0, 0, tokens));
    return pass;
  }

  static std::map<std::string, Tensor> figures(const JointPass& pass, const Tensor& discriminator) {
    const torch::NoGradGuard no_grad;
    const Tensor found = pass.said.gt(0);
    const auto share = [](const Tensor& of) { return of.to(torch::kFloat32).mean(); };
    std::map<std::string, Tensor> figures{{"discriminator_loss", discriminator.detach()},
                                          {"accuracy", share(found.eq(pass.replaced))},
                                          {"replaced", share(pass.replaced)}};
    if (pass.generator_loss.defined()) figures["generator_loss"] = pass.generator_loss.detach();
    if (!pass.generator_hits.defined()) return figures;
    figures["generator_accuracy"] = pass.generator_hits.mean();
    // Of an evaluation, which may wait: of what is called replaced, and of what is.
    const Tensor both = found.logical_and(pass.replaced).sum();
    for (const auto& [name, all] : {std::pair{"precision", found}, {"recall", pass.replaced}})
      if (all.any().item<bool>()) figures[name] = (both / all.sum()).to(torch::kFloat32);
    return figures;
  }

  const Recipe recipe_;
  const double weight_;
  const bool disentangled_;
  MaskingRule masking_rule_;
  CompanionPlan plan_;
  std::optional<Masking> masking_;
  std::shared_ptr<Companion> generator_;
  std::unique_ptr<DisentangledTables> tables_;
};

}  // namespace

Result<std::unique_ptr<Objective>> make_replaced_tokens(const Recipe& recipe) {
  return std::unique_ptr<Objective>(std::make_unique<ReplacedTokens>(recipe));
}

}  // namespace luthier
