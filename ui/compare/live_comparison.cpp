// SPDX-License-Identifier: GPL-3.0-or-later
// Following columns and answers.
#include "ui/compare/live_comparison.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "engine/compare/scores.h"
#include "ui/background.h"

namespace luthier {

LiveComparison::LiveComparison(Workspace& workspace, QObject* parent)
    : QObject(parent), workspace_(workspace) {
  ComparisonColumn base;
  base.name = kBaseColumn;
  data_.columns.push_back(base);
  versions_.push_back(next_version_++);
  connect(&workspace_, &Workspace::adapters_changed, this, &LiveComparison::follow_columns);
  connect(&workspace_, &Workspace::model_changed, this, &LiveComparison::follow_model);
  connect(&workspace_, &Workspace::merged_changed, this, &LiveComparison::forget_all);
  SessionBridge& bridge = workspace_.bridge();
  connect(&bridge, &SessionBridge::answer_updated, this, &LiveComparison::take);
  connect(&bridge, &SessionBridge::request_done, this, &LiveComparison::end);
  connect(&bridge, &SessionBridge::answers_scored, this, &LiveComparison::take_rewards);
  connect(&bridge, &SessionBridge::request_done, this, &LiveComparison::end_scoring);
  follow_model();
}

const AttachedAdapter* LiveComparison::attached(std::size_t column) const {
  if (column == 0 || column >= data_.columns.size()) return nullptr;
  for (const AttachedAdapter& each : workspace_.adapters()) {
    if (data_.columns[column].name == each.name) return &each;
  }
  return nullptr;
}

void LiveComparison::follow_model() {
  const auto& model = workspace_.model();
  data_.model = model ? model->summary.folder : std::filesystem::path();
  data_.device = model ? model->device : std::string();
  data_.dtype = model ? model->dtype : std::string();
  const std::int64_t width = data_.dtype == "bfloat16" ? 2 : 4;
  const std::int64_t bytes = model ? model->summary.parameters * width : 0;
  data_.columns.front().bytes = static_cast<std::uint64_t>(bytes);
  forget_all();
}

void LiveComparison::follow_columns() {
  const std::string reference = data_.columns[data_.reference].name;
  std::vector<ComparisonColumn> columns{data_.columns.front()};
  std::vector<std::uint64_t> versions{versions_.front()};
  std::vector<std::size_t> from{0};  // where a column's answers stand now; past the end: nowhere
  for (const AttachedAdapter& adapter : workspace_.adapters()) {
    ComparisonColumn column;
    column.name = adapter.name;
    column.adapter = adapter.folder.string();
    column.bytes = adapter.bytes;
    column.whole = adapter.whole;
    column.strength = adapter.strength;
    column.image = adapter.pixels;
    const auto same = [&](const ComparisonColumn& old) {
      return old.name == column.name && old.adapter == column.adapter;
    };
    const auto found = std::find_if(data_.columns.begin() + 1, data_.columns.end(), same);
    const auto old = static_cast<std::size_t>(found - data_.columns.begin());
    const bool kept = found != data_.columns.end();
    from.push_back(old);
    versions.push_back(kept ? versions_[old] : next_version_++);
    columns.push_back(std::move(column));
  }
  for (ComparisonRow& row : data_.rows) {
    std::vector<ComparisonAnswer> answers;
    for (const std::size_t old : from) {
      answers.emplace_back();
      if (old < row.answers.size()) answers.back() = std::move(row.answers[old]);
    }
    row.answers = std::move(answers);
  }
  if (columns.size() != data_.columns.size()) fading_.clear();
  data_.columns = std::move(columns);
  versions_ = std::move(versions);
  forget_scored();
  data_.reference = 0;
  for (std::size_t i = 1; i < data_.columns.size(); ++i) {
    if (data_.columns[i].name == reference) data_.reference = i;
  }
  count_wins(data_);
  emit columns_changed();
}

void LiveComparison::set_samples(std::vector<Sample> samples) {
  cancel();
  std::vector<ComparisonRow> rows;
  std::set<std::size_t> staying;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    ComparisonRow row;
    // Draws go by the row's place, so an answer holds only where the row stands where it stood.
    const bool stays = i < data_.rows.size() && same_sample(data_.rows[i].sample, samples[i]);
    if (stays) row.answers = std::move(data_.rows[i].answers);
    if (stays) staying.insert(i);
    row.sample = std::move(samples[i]);
    row.answers.resize(data_.columns.size());
    for (ComparisonAnswer& answer : row.answers) {
      if (!answer.whole()) answer = {};
    }
    rows.push_back(std::move(row));
  }
  data_.rows = std::move(rows);
  std::erase_if(data_.votes, [&](const Vote& vote) { return !staying.contains(vote.row); });
  fading_.clear();
  for (std::uint64_t& version : versions_) version = next_version_++;
  emit samples_changed();
}

void LiveComparison::set_reference(std::size_t column) {
  if (column >= data_.columns.size()) return;
  data_.reference = column;
  count_wins(data_);
  forget_scored();
  emit columns_changed();
}

void LiveComparison::set_options(const GenerationOptions& options) {
  const GenerationOptions before = data_.options;
  data_.options = options;
  // The seed and top_p say nothing where nothing is drawn.
  const bool drawn = before.temperature > 0 || options.temperature > 0;
  const bool others = before.temperature != options.temperature ||
                      (drawn && (before.seed != options.seed || before.top_p != options.top_p));
  const bool length = before.max_new_tokens != options.max_new_tokens;
  if (!others && !length) return;
  cancel();
  for (std::uint64_t& version : versions_) version = next_version_++;
  const auto most = static_cast<std::size_t>(std::max<std::int64_t>(0, options.max_new_tokens));
  for (std::size_t r = 0; r < data_.rows.size(); ++r) {
    for (ComparisonAnswer& answer : data_.rows[r].answers) {
      const bool ended = answer.finish == "eos" && answer.tokens.size() <= most;
      if (!others && ended) continue;
      // Nobody has judged what comes in its place.
      if (answer.begun()) forget_vote(r);
      answer = {};
    }
  }
  emit columns_changed();
  emit votes_changed();
}

void LiveComparison::forget(std::size_t column) {
  versions_[column] = next_version_++;
  forget_scored();
  for (ComparisonRow& row : data_.rows) row.answers[column] = {};
}

void LiveComparison::set_strength(const std::string& name, double strength) {
  for (std::size_t i = 1; i < data_.columns.size(); ++i) {
    if (data_.columns[i].name != name) continue;
    data_.columns[i].strength = strength;
    bool asked = false;
    for (std::size_t r = 0; r < data_.rows.size(); ++r) {
      ComparisonAnswer& answer = data_.rows[r].answers[i];
      asked = asked || answer.begun() || fading_.contains({r, i});
      if (answer.begun()) forget_vote(r);
      if (answer.whole()) fading_[{r, i}] = std::move(answer);
    }
    forget(i);
    cancel_outdated();
    // Who moves it wants to see what comes of it.
    if (asked && can_answer(workspace_.state())) ask({i});
  }
  emit columns_changed();
  emit votes_changed();
}

const ComparisonAnswer* LiveComparison::fading(std::size_t row, std::size_t column) const {
  const auto found = fading_.find({row, column});
  return found == fading_.end() ? nullptr : &found->second;
}

void LiveComparison::forget_vote(std::size_t row) {
  std::erase_if(data_.votes, [row](const Vote& vote) { return vote.row == row; });
}

void LiveComparison::forget_scored() {
  for (ComparisonRow& row : data_.rows) row.scored.clear();
}

void LiveComparison::put_scored(std::size_t row, ScoredAnswer scored) {
  if (row >= data_.rows.size()) return;
  auto& all = data_.rows[row].scored;
  std::erase_if(all, [&](const ScoredAnswer& each) { return each.of == scored.of; });
  all.push_back(std::move(scored));
}

void LiveComparison::vote(Vote vote) {
  put_vote(data_.votes, std::move(vote));
  emit votes_changed();
}

void LiveComparison::forget_votes() {
  data_.votes.clear();
  emit votes_changed();
}

Status LiveComparison::set_pattern(const std::string& pattern) {
  LUTHIER_CHECK(check_pattern(pattern));
  const Status scored = score_by_pattern(data_, pattern);
  emit running_changed();
  return scored;
}

void LiveComparison::count_all() {
  count_wins(data_);
  add_cider(data_);
  if (const Status scored = score_by_pattern(data_, data_.pattern); !scored)
    emit failed(scored.error());
}

void LiveComparison::restore(const Comparison& kept) {
  cancel();
  fading_.clear();
  for (std::uint64_t& version : versions_) version = next_version_++;
  data_.options = kept.options;
  data_.pattern = kept.pattern;
  data_.reward_model = kept.reward_model;
  std::vector<std::size_t> from;  // where a column's answers stand there; past the end: nowhere
  data_.reference = 0;
  for (std::size_t i = 0; i < data_.columns.size(); ++i) {
    const auto& own = data_.columns[i];
    const auto found =
        std::find_if(kept.columns.begin(), kept.columns.end(), [&](const auto& each) {
          return each.adapter == own.adapter && each.strength == own.strength && !each.router;
        });
    from.push_back(static_cast<std::size_t>(found - kept.columns.begin()));
    if (found != kept.columns.end() && from.back() == kept.reference) data_.reference = i;
  }
  // An adapter may have another name now.
  data_.votes.clear();
  for (Vote vote : kept.votes) {
    for (std::size_t i = 0; i < from.size(); ++i)
      if (from[i] < kept.columns.size() && kept.columns[from[i]].name == vote.column) {
        vote.column = data_.columns[i].name;
        break;
      }
    put_vote(data_.votes, std::move(vote));
  }
  data_.rows.clear();
  const bool all = std::count(from.begin(), from.end(), kept.columns.size()) == 0 &&
                   from.size() == kept.columns.size();
  for (const ComparisonRow& row : kept.rows) {
    ComparisonRow own;
    own.sample = row.sample;
    if (all) own.scored = row.scored;
    for (const std::size_t place : from)
      own.answers.push_back(place < row.answers.size() ? row.answers[place] : ComparisonAnswer());
    data_.rows.push_back(std::move(own));
  }
  emit columns_changed();
  emit samples_changed();
  emit votes_changed();
  emit running_changed();
}

void LiveComparison::forget_all() {
  cancel();
  fading_.clear();
  data_.votes.clear();
  for (std::size_t i = 0; i < data_.columns.size(); ++i) forget(i);
  emit columns_changed();
}

std::size_t LiveComparison::missing() const {
  return data_.rows.size() * data_.columns.size() - data_.answered();
}

void LiveComparison::run() {
  std::vector<std::size_t> all(data_.columns.size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  ask(all);
}

void LiveComparison::cancel_outdated() {
  for (auto& [id, asked] : requests_) {
    const auto wanted = [this](std::uint64_t version) {
      return std::find(versions_.begin(), versions_.end(), version) != versions_.end();
    };
    if (std::none_of(asked.columns.begin(), asked.columns.end(), wanted)) {
      asked.cancelled = true;
      workspace_.session().cancel(id);
    }
  }
}

void LiveComparison::ask(const std::vector<std::size_t>& wanted) {
  // Columns that lack the same rows are asked together.
  std::map<std::vector<std::size_t>, std::vector<std::size_t>> groups;
  for (const std::size_t c : wanted) {
    std::vector<std::size_t> lacking;
    for (std::size_t r = 0; r < data_.rows.size(); ++r) {
      if (!data_.rows[r].answers[c].whole()) lacking.push_back(r);
    }
    if (!lacking.empty()) groups[lacking].push_back(c);
  }
  for (const auto& [rows, columns] : groups) {
    AnswerRequest request;
    Asked asked;
    request.options = data_.options;
    for (const std::size_t row : rows) {
      request.samples.push_back(data_.rows[row].sample);
      request.draws.push_back(row);
    }
    for (const std::size_t column : columns) {
      const std::string& name = data_.columns[column].name;
      request.columns.push_back(column > 0 ? std::optional(name) : std::nullopt);
      asked.columns.push_back(versions_[column]);
    }
    asked.rows = rows;
    requests_[workspace_.session().answer(std::move(request))] = std::move(asked);
  }
  emit running_changed();
}

void LiveComparison::cancel() {
  if (scoring_) workspace_.session().cancel(scoring_);
  for (auto& [id, asked] : requests_) {
    asked.cancelled = true;
    workspace_.session().cancel(id);
  }
}

bool LiveComparison::running() const {
  return unscored_ > 0 || std::any_of(requests_.begin(), requests_.end(),
                                      [](const auto& each) { return !each.second.cancelled; });
}

void LiveComparison::take(const AnswerUpdate& event) {
  const auto found = requests_.find(event.request);
  if (found == requests_.end()) return;
  const Asked& asked = found->second;
  if (event.sample >= asked.rows.size() || event.column >= asked.columns.size()) return;
  const std::size_t row = asked.rows[event.sample];
  const auto version = std::find(versions_.begin(), versions_.end(), asked.columns[event.column]);
  if (version == versions_.end() || row >= data_.rows.size()) return;
  const auto column = static_cast<std::size_t>(version - versions_.begin());
  ComparisonAnswer answer;
  answer.text = event.text;
  answer.tokens = event.tokens;
  answer.seconds = event.seconds;
  if (event.final) answer.finish = event.finish;
  if (answer.begun()) fading_.erase({row, column});
  auto boxes = box_answer(data_, row, column, answer);
  if (!boxes) {
    put_answer(data_.rows[row], column, std::move(answer));
  } else {
    data_.rows[row].answers[column] = std::move(answer);
    score_boxes(row, column, *std::move(boxes));
  }
  emit answer_changed(row, column);
}

void LiveComparison::score_boxes(std::size_t row, std::size_t column, BoxAnswer answer) {
  ++unscored_;
  in_background_of(
      this, [answer = std::move(answer)] { return box_scores(answer); },
      [this, row, asked = versions_[column]](std::map<std::string, double> scores) {
        --unscored_;
        const auto version = std::find(versions_.begin(), versions_.end(), asked);
        const auto place = static_cast<std::size_t>(version - versions_.begin());
        if (version != versions_.end() && row < data_.rows.size() &&
            data_.rows[row].answers[place].whole()) {
          data_.rows[row].answers[place].scores.merge(scores);  // a reward may stand there already
          emit answer_changed(row, place);
        }
        if (unscored_ > 0 || !requests_.empty()) return;
        count_all();
        emit running_changed();
      });
}

void LiveComparison::end(const RequestDone& event) {
  const auto found = requests_.find(event.request);
  if (found == requests_.end()) return;
  const Asked asked = std::move(found->second);
  requests_.erase(found);
  // What began and did not come to its end is not asked.
  for (const std::uint64_t each : asked.columns) {
    const auto version = std::find(versions_.begin(), versions_.end(), each);
    if (version == versions_.end()) continue;
    const auto column = static_cast<std::size_t>(version - versions_.begin());
    for (const std::size_t row : asked.rows) {
      if (row >= data_.rows.size()) continue;
      ComparisonAnswer& answer = data_.rows[row].answers[column];
      if (answer.whole() || !answer.begun()) continue;
      answer = {};
      emit answer_changed(row, column);
    }
  }
  if (event.error) emit failed(*event.error);
  if (requests_.empty()) count_all();
  if (requests_.empty() && !event.error && !event.cancelled) score();
  emit running_changed();
}

void LiveComparison::set_reward_model(const std::filesystem::path& folder) {
  if (folder == data_.reward_model) return score();
  if (scoring_) workspace_.session().cancel(std::exchange(scoring_, 0));
  data_.reward_model = folder;
  for (std::size_t r = 0; r < data_.rows.size(); ++r)
    for (std::size_t c = 0; c < data_.columns.size(); ++c)
      if (data_.rows[r].answers[c].scores.erase(kRewardScore)) emit answer_changed(r, c);
  count_wins(data_);
  score();
  emit running_changed();
}

void LiveComparison::score() {
  if (data_.reward_model.empty() || scoring_) return;
  Comparison asked = data_;
  bool any = false;
  for (ComparisonRow& row : asked.rows) {
    for (ComparisonAnswer& answer : row.answers) {
      if (!answer.whole() || answer.scores.contains(kRewardScore)) answer = {};
      any = any || answer.whole();
      answer.tokens.clear();
    }
  }
  if (!any) return;
  scored_columns_ = versions_;
  scoring_ = workspace_.session().score_answers(std::move(asked), data_.reward_model);
  emit running_changed();
}

void LiveComparison::take_rewards(const AnswersScored& event) {
  if (event.request != scoring_) return;
  for (std::size_t r = 0; r < std::min(event.rewards.size(), data_.rows.size()); ++r) {
    for (std::size_t c = 0; c < event.rewards[r].size() && c < scored_columns_.size(); ++c) {
      const double reward = event.rewards[r][c];
      const auto version = std::find(versions_.begin(), versions_.end(), scored_columns_[c]);
      if (std::isnan(reward) || version == versions_.end()) continue;
      const auto column = static_cast<std::size_t>(version - versions_.begin());
      ComparisonAnswer& answer = data_.rows[r].answers[column];
      if (!answer.whole()) continue;
      answer.scores[kRewardScore] = reward;
      emit answer_changed(r, column);
    }
  }
  count_wins(data_);
}

void LiveComparison::end_scoring(const RequestDone& event) {
  if (event.request != scoring_ || scoring_ == 0) return;
  scoring_ = 0;
  if (event.error) emit failed(*event.error);
  emit running_changed();
}

}  // namespace luthier
