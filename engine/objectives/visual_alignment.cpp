// SPDX-License-Identifier: GPL-3.0-or-later
// Answers as supervised fine-tuning, and beside them how far what a model without a tower says of a
// picture's patches lies from what a tower sees there (EVE, Diao et al. 2024): the mean over
// patches of 1 − cos, then over the pictures of a micro-batch. The teacher is a folder of its own,
// which stands still beside the model and is no part of what a run leaves.
#include <algorithm>
#include <optional>

#include "engine/hub/folder_kind.h"
#include "engine/models/model_summary.h"
#include "engine/models/patch_alignment.h"
#include "engine/nn/state_watch.h"
#include "engine/objectives/objective.h"

namespace luthier {

namespace {

using torch::Tensor;

constexpr const char* kTeacher = "visual_alignment.teacher";
/// States of a layer's width that stand at once while it is computed: its own and an MLP's twice.
constexpr std::int64_t kTowerStates = 9;

Error of_teacher(Error error) {
  error.where = std::string(kTeacher) + ": " + error.where;
  return error;
}

class VisualAlignment : public Objective {
 public:
  explicit VisualAlignment(const Recipe& recipe)
      : folder_(recipe.more.text(kTeacher)),
        weight_(recipe.more.number("visual_alignment.weight")) {}

  const RowKind& row_kind() const override { return answer_rows(); }
  WindowRule window_rule() const override { return WindowRule::Counts; }
  bool reads_pixels() const override { return true; }  // the teacher looks at them
  std::vector<std::string> judging_folders() const override { return {folder_}; }

  Status can_begin() const override {
    const Status found = check_model_folder(folder_);
    return found ? Status() : Status(of_teacher(found.error()));
  }
  Status fits(const LoadedModel& base) const override {
    LUTHIER_CHECK(Objective::fits(base));
    if (patch_alignment_of(*base.model)) return read_teacher(base);
    return input_error(
        "A model of type " + std::string(base.family->model_type) +
            " as it is stored has no layers that are aligned with a tower's patches.",
        "objective",
        "An eve has them whose config.json has alignment_config: `luthier-cli head MODEL --of "
        "aligned --out DIR` writes one.");
  }
  std::int64_t count(const MicroBatch& rows) const override { return rows.labels(); }

  /// Where nobody has asked whether it fits: the teacher is read before the first loss.
  bool rolls_out() const override { return true; }
  Status roll_out(Policy& policy, MicroBatch&, std::uint64_t) override {
    return read_teacher(policy.base());
  }

  LossSum loss(Policy& policy, const Batch& batch) override {
    Model& model = policy.model();
    if (batch.input.pictures.empty()) return sft_loss(model, batch.input);
    PatchAlignment& student = *patch_alignment_of(model);
    Tensor said;
    LossSum loss;
    {
      StateWatch watch(student.aligned_places(batch.input), student.aligned_layers());
      loss = sft_loss(model, batch.input);
      said = student.align(watch.states(), batch.input).to(torch::kFloat32);
    }
    std::vector<std::int64_t> of_each;
    const Tensor seen = teacher_states(student, batch.input, of_each);
    const Tensor apart = 1 - at::cosine_similarity(said, seen, 1);
    std::vector<Tensor> means;
    for (const Tensor& own : apart.split_with_sizes(of_each)) means.push_back(own.mean());
    const Tensor mean = at::stack(means).mean();
    loss.beside = mean * weight_;
    loss.figures["alignment_loss"] = mean.detach();
    return loss;
  }
  bool adds_up(Model&) const override { return false; }
  /// The teacher's own pass, which keeps nothing, stands beside the gradient of the answers' loss.
  LossCost cost(const Pass& pass, const HeadCost& head) const override {
    LossCost cost = cross_entropy_cost(pass, head);
    if (!sizes_) {
      const auto summary = summarize_model(folder_);
      sizes_ = summary ? summary->geometry : ModelGeometry();
    }
    const std::int64_t states =
        pass.pictures.images * sizes_->vision_tokens * sizes_->vision_hidden_size;
    cost.work = std::max(cost.work, cost.gradient + kTowerStates * pass.terms.floats(states));
    return cost;
  }

 private:
  /// Once, and held against the model: another's sizes are refused before any work.
  Status read_teacher(const LoadedModel& base) const {
    if (teacher_.model) return {};
    LoadOptions options;
    options.device = base.model->device().str();
    auto loaded = load_model(folder_, options);
    if (!loaded) return of_teacher(loaded.error());
    const Status alike = patch_alignment_of(*base.model)->check_teacher(base, *loaded);
    if (!alike) return of_teacher(alike.error());
    teacher_ = loaded.take();
    return {};
  }
  /// Of the patches that show something: [patches, width] float32, without a graph.
  Tensor teacher_states(const PatchAlignment& student, const ModelInput& input,
                        std::vector<std::int64_t>& of_each) {
    const torch::NoGradGuard no_grad;
    VisionTowerImpl& tower = *tower_of(*teacher_.model);
    const Tensor pixels =
        student.teacher_pixels(input).to(teacher_.model->device(), teacher_.model->dtype());
    Tensor states = tower.forward(pixels, {-2}).front();  // [pictures, tokens, width]
    if (tower.options.class_embedding) states = states.slice(1, 1);
    return states.flatten(0, 1)
        .index_select(0, student.teacher_patches(input, of_each))
        .to(torch::kFloat32);
  }

  const std::string folder_;
  const double weight_;
  mutable LoadedModel teacher_;
  mutable std::optional<ModelGeometry> sizes_;  ///< the teacher's, once they were asked for
};

}  // namespace

Result<std::unique_ptr<Objective>> make_visual_alignment(const Recipe& recipe) {
  return std::unique_ptr<Objective>(std::make_unique<VisualAlignment>(recipe));
}

}  // namespace luthier
