// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/merge/live_merge.h"

#include "engine/compare/box_scores.h"
#include "ui/background.h"
#include "ui/sample_source.h"

namespace luthier {

namespace {

bool same_merge(const MergeRecipe& a, const MergeRecipe& b) {
  return a.folders == b.folders && a.how.weights == b.how.weights &&
         a.how.combination_type == b.how.combination_type && a.how.density == b.how.density &&
         a.how.majority == b.how.majority && a.how.svd_rank == b.how.svd_rank &&
         a.how.seed == b.how.seed;
}

}  // namespace

LiveMerge::LiveMerge(Workspace& workspace, QObject* parent)
    : QObject(parent), workspace_(workspace) {
  ComparisonColumn merged;
  merged.name = "merged";
  data_.columns.push_back(merged);
  connect(&workspace_.samples(), &SampleSource::changed, this, &LiveMerge::take_samples);
  connect(&workspace_.samples(), &SampleSource::options_changed, this, &LiveMerge::outdated);
  SessionBridge& bridge = workspace_.bridge();
  connect(&bridge, &SessionBridge::merge_made, this, [this](const MergeMade& event) {
    if (event.request != request_) return;
    made_ = event;
    emit changed();
  });
  connect(&bridge, &SessionBridge::merge_proved, this, [this](const MergeProved& event) {
    if (event.request != request_) return;
    proof_ = event;
    emit changed();
  });
  connect(&bridge, &SessionBridge::answer_updated, this, [this](const AnswerUpdate& event) {
    if (event.request != request_ || event.sample >= data_.rows.size()) return;
    ComparisonAnswer answer;
    answer.text = event.text;
    answer.tokens = event.tokens;
    answer.seconds = event.seconds;
    if (event.final) answer.finish = event.finish;
    const auto& model = workspace_.model();
    data_.model = model ? model->summary.folder : std::filesystem::path();
    auto boxes = box_answer(data_, event.sample, 0, answer);
    if (!boxes) {
      put_answer(data_.rows[event.sample], 0, std::move(answer));
    } else {
      data_.rows[event.sample].answers.front() = std::move(answer);
      score_boxes(event.sample, *std::move(boxes));
    }
    if (event.final) ++answered_;
    emit answer_changed(event.sample);
  });
  connect(&bridge, &SessionBridge::request_done, this, &LiveMerge::end);
  take_samples();
}

void LiveMerge::score_boxes(std::size_t row, BoxAnswer answer) {
  ++unscored_;
  in_background_of(
      this, [answer = std::move(answer)] { return box_scores(answer); },
      [this, row, asked = request_](std::map<std::string, double> scores) {
        if (asked != request_) return;  // and so are the others that were counted with it
        --unscored_;
        if (row < data_.rows.size()) data_.rows[row].answers.front().scores = std::move(scores);
        emit answer_changed(row);
        if (unscored_ == 0 && ended_) end(*ended_);
      });
}

void LiveMerge::take_samples() {
  data_.rows.clear();
  for (const Sample& sample : workspace_.samples().samples())
    data_.rows.push_back({sample, std::vector<ComparisonAnswer>(1)});
  tried_.clear();  // their scores are of other samples
  cancel();
  emit rows_changed();
  emit outdated();
}

void LiveMerge::ask(const MergeRecipe& recipe) {
  cancel();
  asked_ = recipe;
  made_.reset();
  proof_.reset();
  answered_ = 0;
  AnswerRequest request;
  for (const ComparisonRow& row : data_.rows) request.samples.push_back(row.sample);
  request.options = workspace_.samples().options();
  request_ = workspace_.session().answer_merged(recipe, std::move(request));
  emit changed();
}

void LiveMerge::cancel() {
  if (request_ != 0) workspace_.session().cancel(request_);
  request_ = 0;
  unscored_ = 0;
  ended_.reset();
}

void LiveMerge::forget() {
  cancel();
  asked_.reset();
  made_.reset();
  proof_.reset();
  answered_ = 0;
  for (ComparisonRow& row : data_.rows) row.answers.front() = {};
  emit rows_changed();
  emit changed();
}

void LiveMerge::end(const RequestDone& event) {
  if (request_ == 0 || event.request != request_) return;
  if (unscored_ > 0 && !event.error && !event.cancelled) {
    ended_ = event;  // once all answers have their scores
    return;
  }
  const RequestDone ended = event;  // may be what waited
  request_ = 0;
  unscored_ = 0;
  ended_.reset();
  if (ended.error || ended.cancelled) {
    // What is shown would be another merge's.
    made_.reset();
    proof_.reset();
    for (ComparisonRow& row : data_.rows) row.answers.front() = {};
    emit rows_changed();
    if (ended.error) emit failed(*ended.error);
  } else if (made_ && asked_) {
    std::erase_if(tried_, [&](const TriedMerge& each) { return same_merge(each.recipe, *asked_); });
    TriedMerge tried{*asked_, made_->rank, scores(), {}};
    if (proof_ && !proof_->refused) tried.difference = proof_->difference;
    tried_.insert(tried_.begin(), std::move(tried));
    if (tried_.size() > kMostTried) tried_.pop_back();
  }
  emit changed();
}

}  // namespace luthier
