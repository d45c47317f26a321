// SPDX-License-Identifier: GPL-3.0-or-later
// The teacher answers first: its pass keeps nothing, and what the model's own pass keeps for the
// backward is not there yet.
#include "engine/objectives/teacher_objective.h"

#include <algorithm>

#include "engine/io/probe.h"
#include "engine/models/cost.h"
#include "engine/ranks/shared_work.h"
#include "engine/runs/run_folder.h"

namespace luthier {

TeacherObjective::TeacherObjective(const Recipe& recipe, const std::string& section,
                                   double temperature, bool tells_entropy)
    : field_(section + ".teacher_model_name_or_path"),
      given_field_(section + ".teacher_logits"),
      teacher_(recipe.more.text(field_)),
      given_(recipe.more.text(given_field_)),
      top_k_(recipe.more.optional_integer(section + ".teacher_top_k")),
      beside_(recipe.output_dir),
      divergence_{recipe.more.number(section + ".beta"), temperature},
      tells_entropy_(tells_entropy) {}

Status TeacherObjective::can_begin() const {
  LUTHIER_CHECK(Objective::can_begin());
  if (given_.empty()) return {};
  if (!is_there(given_) || is_folder(given_))
    return input_error("There is no file " + given_ + ".", given_field_,
                       "Name the teacher.safetensors of a run with teacher_top_k.");
  const auto opened = TeacherFile::open(given_);
  return opened ? Status() : Status(opened.error());
}

Result<TeacherFacts> TeacherObjective::facts(const AskedAbout& about) const {
  TeacherFacts facts;
  if (!teacher_.empty()) {
    LUTHIER_TRY(facts.teacher, fingerprint_model(teacher_));
  }
  facts.rows = about.rows, facts.eval_rows = about.eval_rows;
  LUTHIER_TRY(facts.processor, fingerprint_processor(about.model));
  facts.encoding = about.encoding;
  facts.temperature = Json(divergence_.temperature).dump();
  facts.vocabulary = std::to_string(about.vocabulary);
  return facts;
}

Status TeacherObjective::ask_beforehand(Policy& policy, const MicroBatch& rows, bool evaluation) {
  LUTHIER_CHECK(begin_asking());
  return asked_->add(answer(policy, rows), evaluation);
}

Status TeacherObjective::begin_asking() {
  if (asked_) return {};
  LUTHIER_TRY(asked_, TeacherFileWriter::begin(beside_));
  return {};
}

TeacherAnswer TeacherObjective::answer(Policy& policy, const MicroBatch& rows) const {
  const Batch batch = policy.batch(rows, row_kind().order(), BatchMaker::Pass::Evaluation);
  TeacherAnswer said{places_of(batch), {}};
  if (rows.labels() > 0)
    said.kept = top_k_of(policy.reference_states(batch), *top_k_, divergence_.temperature,
                         policy.model().head()->out_features());
  return said;
}

Json TeacherObjective::answer_beforehand(Policy& policy, const MicroBatch& rows) {
  const TeacherAnswer said = answer(policy, rows);
  Json places = Json::array();
  for (const TeacherAnswer::Place& place : said.places)
    places.push_back(Json::array({place.row, place.sequence, place.labels}));
  Json made{{"places", std::move(places)}};
  if (!said.kept.ids.defined()) return made;
  made["ids"] = tensor_json(said.kept.ids.to(torch::kInt32));
  made["log_probs"] = tensor_json(said.kept.log_probs);
  made["rest"] = tensor_json(said.kept.rest);
  return made;
}

Status TeacherObjective::take_answer(const Json& said, bool evaluation) {
  if (kept_elsewhere_) return {};
  LUTHIER_CHECK(begin_asking());
  TeacherAnswer answer;
  for (const Json& place : said.at("places"))
    answer.places.push_back({place.at(0).get<std::int64_t>(), place.at(1).get<std::int64_t>(),
                             place.at(2).get<std::int64_t>()});
  if (said.contains("ids"))
    answer.kept = {tensor_of(said["ids"]), tensor_of(said["log_probs"]), tensor_of(said["rest"])};
  return asked_->add(answer, evaluation);
}

Status TeacherObjective::keep_asked(const std::filesystem::path& file, const AskedAbout& about) {
  LUTHIER_TRY(const TeacherFacts made, facts(about));
  LUTHIER_CHECK(begin_asking());
  LUTHIER_CHECK(asked_->finish(file, made));
  asked_.reset();
  LUTHIER_TRY(said_, TeacherFile::open(file));
  return {};
}

Status TeacherObjective::read_asked(const std::filesystem::path& file, const AskedAbout& about) {
  LUTHIER_TRY(const auto opened, TeacherFile::open(file));
  LUTHIER_TRY(const TeacherFacts now, facts(about));
  LUTHIER_CHECK(opened->facts().check(now, file.string()));
  LUTHIER_CHECK(opened->check_rows(about.usable, /*evaluation=*/false));
  LUTHIER_CHECK(opened->check_rows(about.eval_usable, /*evaluation=*/true));
  said_ = opened;
  return {};
}

LossSum TeacherObjective::loss(Policy& policy, const Batch& batch) {
  std::optional<TeacherStates> teacher;
  TopK kept;
  if (said_) {
    kept = said_->of(batch, /*evaluation=*/!policy.trains());
  } else {
    teacher = policy.reference_states(batch);
    if (top_k_) {
      kept = top_k_of(*teacher, *top_k_, divergence_.temperature,
                      policy.model().head()->out_features());
      teacher.reset();
    }
  }
  const LabelledStates states = labelled_states(policy.model(), batch.input);
  const Linear head = policy.model().head();
  const HeadDivergence distance =
      teacher ? chunked_divergence(states.hidden, head, *teacher, divergence_, tells_entropy_)
              : chunked_divergence(states.hidden, head, kept, divergence_, tells_entropy_);
  LossSum loss;
  loss.count = states.target.size(0);
  loss.sum = distance.sum;
  if (tells_entropy_)
    loss.figures["entropy"] =
        distance.entropy.sum() / static_cast<double>(std::max<std::int64_t>(1, loss.count));
  return loss;
}

LossCost TeacherObjective::cost(const Pass& pass, const HeadCost& head) const {
  if (top_k_ || !given_.empty()) return divergence_cost(pass, head, /*teacher_width=*/0);
  const auto teacher = summarize_model(teacher_);  // a broken one is refused when it is loaded
  return divergence_cost(pass, head, teacher ? teacher->geometry.hidden_size : head.width);
}

NamedTensors TeacherObjective::shown(Policy& policy, const Batch& batch) {
  const torch::NoGradGuard no_grad;
  return padded(policy.log_probs(batch, divergence_.temperature), batch);
}

}  // namespace luthier
