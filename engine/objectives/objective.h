// SPDX-License-Identifier: GPL-3.0-or-later
// What a run learns by. An objective says what a row must hold, may let the model answer before the
// loss, may ask a reference policy, and returns a sum, its own count and named figures. A file an
// objective and a row of the table; nobody between it and the curves knows its name or theirs.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/batches/batch.h"
#include "engine/batches/generation.h"
#include "engine/config/kinds.h"
#include "engine/config/recipe.h"
#include "engine/io/json.h"
#include "engine/objectives/companion.h"
#include "engine/objectives/figures.h"
#include "engine/objectives/loss_cost.h"
#include "engine/objectives/policy.h"

namespace luthier {

/// A loss as a sum over `count` of its terms: tokens, rows, pairs.
struct LossSum {
  torch::Tensor sum;  ///< scalar float32, with a graph when gradients are on; undefined: no term
  std::int64_t count = 0;
  /// Of the micro-batch as a whole: joins the mean over those of the window that take part.
  /// Undefined: nothing does.
  torch::Tensor beside = {};
  /// Figures by their names, each a tensor of one number where it was computed: who reads them
  /// reads all of them together.
  std::map<std::string, torch::Tensor> figures;
};

/// How a window's loss comes out of its micro-batches.
enum class WindowRule {
  Counts,  ///< the sums of all, divided by the counts of all
  Means,   ///< the mean of each micro-batch's sum / count
  Whole,   ///< its rows go through the model at once, as one micro-batch
  /// Its rows are one loss, and go through the model micro-batch by micro-batch: first for the
  /// points that the loss is of, then again with the points' gradients (GradCache, Gao et al.
  /// 2021).
  Points
};

/// What the model makes of a micro-batch, as far as the loss of its window asks: by the objective's
/// own order.
using PointsOfRows = std::vector<torch::Tensor>;

/// Of the rows that a model meets.
struct RowLengths {
  std::vector<std::int64_t> own;     ///< that it learns on
  std::vector<std::int64_t> source;  ///< that an encoder reads beside them; empty: there is none
  std::int64_t labels = -1;          ///< of all of them; below 0: as many as rows have
};

/// Of rows of these lengths, in which so many tokens have a label, when they are answered anew with
/// `longest` tokens at most: `always`, or where that is more than they have.
RowLengths lengths_when_drawn(std::vector<std::int64_t> lengths, std::int64_t labels,
                              std::int64_t longest, bool always);

/// What `luthier-cli loss` shows of a batch beside its loss.
using NamedTensors = std::vector<std::pair<std::string, torch::Tensor>>;

/// After each `every` steps the reference is (1 − share)·reference + share·policy (TR-DPO,
/// Gorbatovski et al. 2024); 0: it stands still.
struct ReferenceMoves {
  std::int64_t every = 0;
  double share = 0;
};

/// What a reference was asked about beforehand, as far as its answers depend on it.
struct AskedAbout {
  std::filesystem::path model;  ///< whose processor made the rows
  std::string rows, eval_rows;  ///< fingerprints of the datasets; empty: there is none
  std::string encoding;         ///< how rows are cut and labelled, and pictures' limits
  std::int64_t vocabulary = 0;
  std::vector<std::int64_t> usable, eval_usable;  ///< rows of which there must be an answer
};

class Objective {
 public:
  virtual ~Objective() = default;

  virtual const RowKind& row_kind() const = 0;
  /// Refuses what its settings name in other places, a folder that is not there or is none of what
  /// is asked for; before the model is loaded.
  virtual Status can_begin() const;
  /// Refuses a model that cannot do what the loss asks of it. Most losses ask for the next token.
  virtual Status fits(const LoadedModel& base) const;
  virtual WindowRule window_rule() const { return WindowRule::Means; }
  /// Whether the adapter's dropout acts in training.
  virtual bool dropout() const { return true; }
  /// The head that makes numbers of a state in place of logits (models/score_head): how many; 0:
  /// the loss is one of logits.
  virtual std::int64_t score_numbers() const { return 0; }
  /// Of so many labelled tokens in so many sequences, the states that the loss asks for.
  virtual std::int64_t states_used(std::int64_t labels, std::int64_t /*sequences*/) const {
    return labels_used(labels);
  }
  /// Whether `loss` asks the policy for reference log-probabilities.
  virtual bool needs_reference() const { return false; }
  /// The checkpoint that its settings name as the reference; empty: the model as it began.
  virtual std::string reference_checkpoint() const { return {}; }
  /// The recipe's setting that names it.
  virtual const char* reference_field() const { return "ref_model"; }
  /// Whether `loss` holds the model's distributions against the reference's (Policy's
  /// reference_states): it may be of another size, and must tell the same tokens apart.
  virtual bool reference_teaches() const { return false; }
  /// Whether the reference is asked about all rows before the first step, and let go of then.
  virtual bool asks_reference_beforehand() const { return false; }
  /// Asks about these rows, beforehand, and keeps the answers.
  virtual Status ask_beforehand(Policy& /*policy*/, const MicroBatch& /*rows*/,
                                bool /*evaluation*/) {
    return {};
  }
  /// The file in the run's folder in which the answers are kept; null: they stay in memory.
  virtual const char* file_of_asked() const { return nullptr; }
  /// The file that the settings name in the place of the reference; empty: none.
  virtual std::string asked_file() const { return {}; }
  /// All rows were asked about: the answers go into the file, and are read from it.
  virtual Status keep_asked(const std::filesystem::path& /*file*/, const AskedAbout& /*about*/) {
    return {};
  }
  /// The answers are those in the file. An Input error where it is about something else.
  virtual Status read_asked(const std::filesystem::path& /*file*/, const AskedAbout& /*about*/) {
    return {};
  }
  /// How a reference that is a model of its own goes after the policy.
  virtual ReferenceMoves reference_moves() const { return {}; }
  /// The second model that learns beside the policy, whose trained tensors join the run's.
  virtual CompanionPlan companion() const { return {}; }
  /// That model, before the first row is prepared.
  virtual void take_companion(std::shared_ptr<Companion> /*companion*/) {}
  /// How many terms the loss of these rows will have; asked after roll_out, for the whole window
  /// before the first loss.
  virtual std::int64_t count(const MicroBatch& rows) const = 0;
  /// Whether rows are answered before their loss.
  virtual bool rolls_out() const { return false; }
  /// Lets the policy answer, and puts into the rows what the loss is about.
  virtual Status roll_out(Policy& /*policy*/, MicroBatch& /*rows*/, std::uint64_t /*seed*/) {
    return {};
  }
  /// Whether it looks at the rows' pictures for that: pixels are then not given up for what a fixed
  /// tower makes of them.
  virtual bool rolls_out_pictures() const { return false; }
  /// Whether `loss` looks at the pictures themselves: a batch then has their pixels where a fixed
  /// tower's features would stand in their place.
  virtual bool reads_pixels() const { return false; }
  /// How rows become micro-batches where several answers to each prompt are learned from; none:
  /// they are micro-batches as they are.
  virtual GenerationPlan generations() const { return {}; }
  /// The folders of reward models that judge what is drawn, which stand in memory beside it all.
  virtual std::vector<std::string> judging_folders() const { return {}; }
  /// Gives a generation's rows their samples, judged, where they bring none along. prepare() does
  /// so by itself.
  virtual Status draw(Policy& /*policy*/, Generation& /*generation*/) { return {}; }
  /// Before a generation's first loss: gives its rows their samples, where they bring none along,
  /// and says what each is worth. Interrupted when the generation's `go_on` says no.
  virtual Status prepare(Policy& /*policy*/, Generation& /*generation*/) { return {}; }
  virtual LossSum loss(Policy& policy, const Batch& batch) = 0;
  /// WindowRule::Points: of a micro-batch.
  virtual PointsOfRows points(Policy& /*policy*/, const Batch& /*batch*/) { return {}; }
  /// WindowRule::Points: of a window's micro-batches, each with rows, in their order.
  virtual LossSum loss_of(const std::vector<PointsOfRows>& /*window*/) { return {}; }
  /// From here on rows are learned as they are written, whatever roll_out would make of them: what
  /// `luthier-cli loss` asks for.
  virtual void take_rows_as_written() {}
  /// Whether the work of `loss` is the same for all batches of one shape (device/graph): of the
  /// batch it reads `input` alone, label places that only fill up have no part in the sum, the
  /// count is `count`'s, and it tells no figures.
  virtual bool can_be_recorded() const { return false; }
  /// Whether the losses of a micro-batch's parts come to the loss of all of it.
  virtual bool adds_up(Model& /*model*/) const { return true; }
  /// Of so many labelled tokens in rows, those that a pass is about.
  virtual std::int64_t labels_used(std::int64_t labels) const { return labels; }
  /// What roll_out makes of rows of these lengths, in which so many tokens have a label.
  virtual RowLengths lengths_used(const std::vector<std::int64_t>& lengths,
                                  std::int64_t /*labels*/) const {
    return {lengths, {}};
  }
  /// What `loss` needs at the top of a pass; as it stands, that of the policy's log_probs.
  virtual LossCost cost(const Pass& pass, const HeadCost& head) const;
  /// The tensors of the contract's `loss` verb that are this objective's own.
  virtual NamedTensors shown(Policy& policy, const Batch& batch);

  /// What it carries from step to step, for the checkpoint; null: nothing.
  virtual Json state() const { return nullptr; }
  virtual Status read_state(const Json& /*state*/, const std::string& /*where*/) { return {}; }
  /// Takes into the state what a micro-batch has said to add.
  virtual void carry(const Json& /*addition*/) {}
  /// From here on `turn` has what a micro-batch adds carried, together with all that comes before
  /// it in the window, wherever that is computed; empty: each carries its own.
  void take_turns(std::function<void(const Json& addition)> turn) { turn_ = std::move(turn); }

 protected:
  /// What the micro-batch that loss() is at adds to the state, once for each; after it the state is
  /// that of one process which comes to this micro-batch.
  void add_to_state(const Json& addition) {
    if (turn_)
      turn_(addition);
    else
      carry(addition);
  }

 private:
  std::function<void(const Json& addition)> turn_;
};

/// How many rows go through the model at once in training: a micro-batch's, or all of a window.
std::int64_t rows_at_once(const Objective& objective, const TrainingSettings& training);
/// How many an evaluation looks at together: those, or all that one loss is of.
std::int64_t rows_evaluated(const Objective& objective, const TrainingSettings& training);

/// A row of the table, which is config's list of objectives: a name's settings, help and defaults
/// stand in engine/config/kinds, and make_<name> is its tensor half.
struct ObjectiveRow {
  const char* name;
  /// One for a run. The recipe's values were checked against their fields; what they cannot be
  /// together is refused here.
  Result<std::unique_ptr<Objective>> (*make)(const Recipe& recipe);
};
const std::vector<ObjectiveRow>& objectives();
/// Input error naming the recipe's field.
Result<std::unique_ptr<Objective>> make_objective(const Recipe& recipe);

/// What stands beside the model for comparison, by TRL's rule: the checkpoint that the objective
/// names; under an adapter the base with no adapter, or a frozen copy of the adapter that the run
/// began from; else a copy of the model as it began.
enum class ReferenceKind { None, Base, Adapter, Model };
ReferenceKind reference_kind(const std::filesystem::path& base, const Recipe& recipe,
                             const Objective& objective, bool has_adapter);
/// Null where the objective asks for none.
Result<std::shared_ptr<Reference>> make_reference(LoadedModel& base, const Recipe& recipe,
                                                  const Objective& objective, bool has_adapter);

/// The reference's own tensors for those that train, one for each and in their order. An Input
/// error where it has no such tensor. There must be a model of its own.
Result<NamedTensors> reference_tensors(const Reference& reference, const NamedTensors& trained);

/// Token-level cross-entropy after the shift, at labelled positions only (supervised fine-tuning).
/// `routers`: where the model's mixtures of experts write down what they made of the rows.
LossSum sft_loss(Model& model, const ModelInput& input,
                 const std::shared_ptr<RouterNotes>& routers = {});

}  // namespace luthier
