// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/generate/generate.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <unordered_map>

#include "engine/base/text.h"
#include "engine/batches/batch.h"
#include "engine/device/failure.h"
#include "engine/device/threads.h"
#include "engine/generate/answer_text.h"
#include "engine/generate/ruled_scores.h"
#include "engine/generate/standing_steps.h"
#include "engine/generate/writer.h"
#include "engine/methods/routed_adapters.h"

namespace luthier {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMaxBatch = 32;

/// What all prompts of one call share.
struct Work {
  const LoadedModel& loaded;
  const std::vector<Example>& prompts;
  const std::vector<std::size_t> prompt_of;  ///< each answer's
  const std::size_t samples;                 ///< answers to a prompt that come in together
  const GenerationOptions& options;
  const GenerationProgress& progress;
  std::span<const std::uint64_t> draws;
  const std::vector<Adapter*> adapters;  ///< of each answer; empty: whatever is active
  std::vector<Generated>& results;
  const std::vector<TokenId>& ends;  ///< what ends an answer; nothing where that is asked for
  const RuledScores& rules;
  std::vector<AnswerText> texts;
  std::unordered_map<TokenId, std::string> pieces;
  std::unique_ptr<StandingSteps> standing;  ///< null: steps are not recorded

  /// Of an answer.
  const Example& prompt(std::size_t index) const { return prompts[prompt_of[index]]; }
  const std::string& piece(TokenId id) {
    const auto [place, fresh] = pieces.try_emplace(id);
    if (fresh) place->second = piece_text(loaded.processor->tokenizer(), id);
    return place->second;
  }
  void place_tokens(std::size_t index) {
    const auto ranges = texts[index].ranges();
    std::vector<AnswerToken>& tokens = results[index].tokens;
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      tokens[i].begin = ranges[i].first;
      tokens[i].end = ranges[i].second;
    }
  }
};

/// What a prompt is to the model: the beginning of its answer, or a text of its own.
const std::vector<TokenId>& prompt_ids(Model& model, const Example& prompt) {
  return model.sequence_to_sequence() ? prompt.source_ids : prompt.input_ids;
}

/// The adapters of rows while they are decoded: one is simply active, several are routed.
class RowAdapters {
 public:
  /// `rows`: all that are decoded while these hang.
  RowAdapters(const Work& work, const std::vector<std::size_t>& rows) : work_(work) {
    if (work.adapters.empty()) return;
    for (const std::size_t index : rows) {
      Adapter* adapter = work.adapters[index];
      if (adapter && std::find(distinct_.begin(), distinct_.end(), adapter) == distinct_.end())
        distinct_.push_back(adapter);
    }
    const auto plain = [&](std::size_t index) { return work.adapters[index] == distinct_.front(); };
    if (distinct_.empty()) return;
    if (distinct_.size() == 1 && std::all_of(rows.begin(), rows.end(), plain)) {
      alone_ = distinct_.front();
      alone_->activate();
      return;
    }
    routed_ = std::make_unique<RoutedAdapters>(
        *work.loaded.model, std::vector<const Adapter*>(distinct_.begin(), distinct_.end()));
  }
  ~RowAdapters() {
    if (alone_) alone_->deactivate();
  }
  RowAdapters(const RowAdapters&) = delete;
  RowAdapters& operator=(const RowAdapters&) = delete;

  /// The rows of what is decoded next, by their answers.
  void set_rows(const std::vector<std::size_t>& rows) {
    if (!routed_) return;
    std::vector<std::size_t> of_rows;
    for (const std::size_t index : rows) {
      const auto found = std::find(distinct_.begin(), distinct_.end(), work_.adapters[index]);
      of_rows.push_back(found == distinct_.end()
                            ? RoutedAdapters::kBase
                            : static_cast<std::size_t>(found - distinct_.begin()));
    }
    routed_->set_rows(std::move(of_rows));
  }

 private:
  const Work& work_;
  std::vector<Adapter*> distinct_;
  Adapter* alone_ = nullptr;
  std::unique_ptr<RoutedAdapters> routed_;
};

/// What prompts must have in common to be read in one batch. Rows that are routed are told apart by
/// equal parts of what passes a plug, in the tower too, so their pictures are alike.
struct ReadingKey {
  std::size_t length = 0;
  std::vector<std::int64_t> pictures;
  auto operator<=>(const ReadingKey&) const = default;
};

ReadingKey reading_key(const Work& work, std::size_t index) {
  const Example& prompt = work.prompt(index);
  ReadingKey key{prompt_ids(*work.loaded.model, prompt).size(), {}};
  if (work.adapters.empty()) return key;
  for (const PixelValues& image : prompt.images) {
    key.pictures.insert(key.pictures.end(), image.shape.begin(), image.shape.end());
    key.pictures.insert(key.pictures.end(), image.grid.begin(), image.grid.end());
  }
  return key;
}

/// Whether what the tower gives for a picture is the same whichever of the adapters answers.
bool tower_is_plain(const Work& work) {
  Model& model = *work.loaded.model;
  if (!model.picture_tower()) return false;
  for (const Adapter* adapter : work.adapters) {
    if (!adapter) continue;
    if (!RoutedAdapters::can_route(*adapter)) return false;
    for (const Adapter::Hung& hung : adapter->hung())
      if (model.part_of(hung.module) == kVisionTower) return false;
  }
  return true;
}

bool same_pictures(const Example& a, const Example& b) {
  if (&a == &b) return true;
  return std::equal(a.images.begin(), a.images.end(), b.images.begin(), b.images.end(),
                    [](const PixelValues& one, const PixelValues& other) {
                      return one.shape == other.shape && one.grid == other.grid &&
                             one.values == other.values;
                    });
}

/// Prompts as the model takes them. A plain tower looks once at pictures that several answers are
/// to, as where columns of a comparison answer one sample.
class PromptReader {
 public:
  explicit PromptReader(const Work& work) : work_(work), plain_tower_(tower_is_plain(work)) {}

  /// `comes_again`: whether another answer to this prompt waits.
  ModelInput read(const std::vector<const Example*>& prompts,
                  const std::function<bool(const Example*)>& comes_again) {
    Model& model = *work_.loaded.model;
    ModelInput input = for_model(model, collate(prompts));
    if (!plain_tower_ || input.pictures.empty() || has_films(input)) return input;
    std::vector<const Example*> unlike, of_prompt;
    for (const Example* prompt : prompts) {
      if (prompt->images.empty()) return input;
      const auto found = std::find_if(unlike.begin(), unlike.end(), [&](const Example* other) {
        return same_pictures(*other, *prompt);
      });
      of_prompt.push_back(found == unlike.end() ? prompt : *found);
      if (found == unlike.end()) unlike.push_back(prompt);
    }
    std::vector<const Example*> unseen;
    for (const Example* each : unlike)
      if (!features_.contains(each)) unseen.push_back(each);
    if (unseen.size() == prompts.size() &&
        std::none_of(prompts.begin(), prompts.end(), comes_again))
      return input;
    if (!unseen.empty()) {
      PictureTower& tower = *model.picture_tower();
      const std::vector<torch::Tensor> made =
          features_by_example(tower, unseen, tower.tower(for_model(model, collate(unseen))));
      for (std::size_t i = 0; i < unseen.size(); ++i) features_[unseen[i]] = made[i];
    }
    std::vector<torch::Tensor> features;
    for (const Example* each : of_prompt) features.push_back(features_.at(each));
    input.tower_features = at::cat(features, 0);
    std::erase_if(features_, [&](const auto& each) { return !comes_again(each.first); });
    return input;
  }

 private:
  const Work& work_;
  const bool plain_tower_;
  std::map<const Example*, torch::Tensor> features_;  ///< of prompts that come again
};

/// Of the first prompt with this adapter.
std::size_t place_of(const Work& work, const Adapter* adapter) {
  return static_cast<std::size_t>(std::find(work.adapters.begin(), work.adapters.end(), adapter) -
                                  work.adapters.begin());
}

/// Answers that are decoded in step, a token of each at a time. Sequences that end leave, where the
/// writer lets them, and make place for answers that wait, where it takes such.
class Decoder {
 public:
  /// `answers`: all that are to be made, those of one prompt beside one another.
  Decoder(Work& work, const std::vector<std::size_t>& answers)
      : work_(work),
        loaded_(work.loaded),
        options_(work.options),
        most_(static_cast<std::size_t>(answers_at_once(static_cast<std::int64_t>(work.samples)))),
        reader_(work),
        adapters_(work, answers),
        starts_(work.results.size()) {
    for (const std::size_t index : answers) {
      if (waiting_.empty() || !work.adapters.empty() || waiting_.back().size() == most_ ||
          &work.prompt(waiting_.back().front()) != &work.prompt(index))
        waiting_.emplace_back();
      waiting_.back().push_back(index);
    }
    const auto key = [&work](const std::vector<std::size_t>& unit) {
      return reading_key(work, unit.front());
    };
    std::stable_sort(waiting_.begin(), waiting_.end(),
                     [&](const auto& a, const auto& b) { return key(a) < key(b); });
    std::reverse(waiting_.begin(), waiting_.end());
  }

  /// False when the host asked to stop.
  bool run() {
    while (!waiting_.empty())
      if (!run_from_first()) return false;
    return true;
  }

 private:
  /// Prompts of one length, and the answers to them.
  struct Entering {
    std::vector<const Example*> prompts;
    std::vector<std::size_t> rows;
    std::vector<std::int64_t> of_row;  ///< the prompt behind each answer
  };

  ModelInput input_of(const Entering& entering) {
    return reader_.read(entering.prompts, [this](const Example* prompt) {
      return std::any_of(waiting_.begin(), waiting_.end(),
                         [&](const auto& unit) { return &work_.prompt(unit.front()) == prompt; });
    });
  }

  /// Until nothing is in hand; what waits comes in where it can.
  bool run_from_first() {
    const Entering first = next(most_);
    const auto writer = make_writer(
        *loaded_.model, options_, work_.standing, work_.rules,
        static_cast<std::int64_t>(prompt_ids(*loaded_.model, *first.prompts.front()).size()));
    rows_.clear();
    for (bool begins = true; begins || !rows_.empty(); begins = false) {
      adapt_waiting();
      if (begins) {
        adapters_.set_rows(first.rows);
        writer->begin(input_of(first));
        if (first.prompts.size() < first.rows.size()) writer->spread(first.of_row);
        add_rows(first);
      } else {
        writer->go_on(last_tokens());
      }
      if (has_room() && writer->takes_more()) let_in(*writer);
      std::vector<std::int64_t> kept;
      const std::vector<Writer::Asked> asked = asked_rows();
      const std::vector<TokenChoice> choices = writer->choices(asked);
      for (std::size_t i = 0; i < asked.size(); ++i) {
        const std::size_t row = asked[i].row;
        const bool goes_on = take(row, choices[i]);
        if (work_.progress && !work_.progress(rows_[row], work_.results[rows_[row]])) return false;
        if (goes_on) kept.push_back(static_cast<std::int64_t>(row));
      }
      if (kept.empty()) return true;
      if (kept.size() < rows_.size() && writer->lets_go(kept.size(), rows_.size()))
        leave(kept, *writer);
    }
    return true;
  }

  /// Of what waits first, as much as can be read together, `room` rows at most.
  Entering next(std::size_t room) {
    Entering entering;
    const ReadingKey key = reading_key(work_, waiting_.back().front());
    std::vector<std::vector<std::size_t>> units;
    for (std::size_t rows = 0; !waiting_.empty(); waiting_.pop_back()) {
      rows += waiting_.back().size();
      if (rows > room || reading_key(work_, waiting_.back().front()) != key) break;
      units.push_back(std::move(waiting_.back()));
    }
    if (!work_.adapters.empty()) {  // those of one adapter beside one another
      const auto place = [&](const std::vector<std::size_t>& unit) {
        return place_of(work_, work_.adapters[unit.front()]);
      };
      std::stable_sort(units.begin(), units.end(),
                       [&](const auto& a, const auto& b) { return place(a) < place(b); });
    }
    const auto start = Clock::now();
    for (const std::vector<std::size_t>& unit : units) {
      for (const std::size_t index : unit) {
        entering.rows.push_back(index);
        entering.of_row.push_back(static_cast<std::int64_t>(entering.prompts.size()));
        starts_[index] = start;
      }
      entering.prompts.push_back(&work_.prompt(unit.front()));
    }
    return entering;
  }

  /// Whether it pays to let some in: keys and values of all rows are laid out anew for it.
  bool has_room() const {
    const std::size_t room = most_ - rows_.size();
    if (waiting_.empty() || waiting_.back().size() > room) return false;
    std::size_t waiting = 0;
    for (const auto& unit : waiting_) waiting += unit.size();
    return 4 * room >= most_ || waiting <= room;
  }

  void let_in(Writer& writer) {
    while (!waiting_.empty() && rows_.size() + waiting_.back().size() <= most_) {
      Entering entering = next(most_ - rows_.size());
      adapters_.set_rows(entering.rows);
      writer.read(input_of(entering), std::move(entering.of_row));
      add_rows(entering);
    }
    writer.join();
    adapters_.set_rows(rows_);
  }

  void add_rows(const Entering& entering) {
    rows_.insert(rows_.end(), entering.rows.begin(), entering.rows.end());
  }

  bool ended(std::size_t row) const { return !work_.results[rows_[row]].finish.empty(); }

  /// Of each row; of one that has ended and stays, some token.
  std::vector<std::int64_t> last_tokens() const {
    std::vector<std::int64_t> ids;
    for (const std::size_t index : rows_) ids.push_back(work_.results[index].tokens.back().id);
    return ids;
  }

  void leave(const std::vector<std::int64_t>& kept, Writer& writer) {
    std::vector<std::size_t> still;
    for (const std::int64_t row : kept) still.push_back(rows_[static_cast<std::size_t>(row)]);
    rows_ = std::move(still);
    adapters_.set_rows(rows_);
    writer.keep(torch::tensor(kept, torch::kInt64));
  }

  /// What the next token of a prompt's answer comes behind.
  std::vector<TokenId> standing_before(std::size_t index) const {
    SequenceToSequence* rewrites = loaded_.model->sequence_to_sequence();
    std::vector<TokenId> ids = rewrites ? std::vector<TokenId>{rewrites->start_token()}
                                        : prompt_ids(*loaded_.model, work_.prompt(index));
    for (const AnswerToken& token : work_.results[index].tokens) ids.push_back(token.id);
    return ids;
  }

  /// Those that have not ended.
  std::vector<Writer::Asked> asked_rows() const {
    std::vector<Writer::Asked> asked;
    for (std::size_t row = 0; row < rows_.size(); ++row) {
      if (ended(row)) continue;
      const std::size_t index = rows_[row];
      asked.push_back({row, work_.draws.empty() ? index : work_.draws[index],
                       std::ssize(work_.results[index].tokens),
                       work_.rules.any() ? standing_before(index) : std::vector<TokenId>()});
    }
    return asked;
  }

  /// Adds the next token of one sequence; false when it has ended.
  bool take(std::size_t row, const TokenChoice& choice) {
    const std::size_t index = rows_[row];
    Generated& result = work_.results[index];
    result.seconds = std::chrono::duration<double>(Clock::now() - starts_[index]).count();
    const bool end = std::find(work_.ends.begin(), work_.ends.end(), choice.id) != work_.ends.end();
    AnswerToken token;
    token.id = choice.id;
    token.logprob = choice.logprob;
    token.piece = work_.piece(choice.id);
    for (const auto& [id, probability] : choice.alternatives) {
      token.alternatives.emplace_back(work_.piece(id), probability);
    }
    result.tokens.push_back(std::move(token));
    AnswerText& text = work_.texts[index];
    text.add(choice.id);
    result.text = text.text();
    // The end token stands among the tokens, as in transformers' sequences; it has no text.
    if (end)
      result.finish = "eos";
    else if (std::ssize(result.tokens) == options_.max_new_tokens)
      result.finish = "length";
    if (result.finish.empty()) return true;
    work_.place_tokens(index);
    return false;
  }

  Work& work_;
  const LoadedModel& loaded_;
  const GenerationOptions& options_;
  const std::size_t most_;  ///< rows at once
  PromptReader reader_;
  RowAdapters adapters_;
  std::vector<std::vector<std::size_t>> waiting_;  ///< answers to one prompt each; the last is next
  std::vector<std::size_t> rows_;                  ///< in hand, by their answers
  std::vector<Clock::time_point> starts_;          ///< when each answer's prompt was read
};

/// Answers that can be in hand together: all of them, but for those under an adapter that has
/// batches to itself.
std::vector<std::vector<std::size_t>> decoded_together(const Work& work) {
  std::map<std::size_t, std::vector<std::size_t>> by_adapter;  // its place, from 1, if it is alone
  for (std::size_t i = 0; i < work.results.size(); ++i) {
    const Adapter* adapter = work.adapters.empty() ? nullptr : work.adapters[i];
    const bool alone = adapter && !RoutedAdapters::can_route(*adapter);
    by_adapter[alone ? 1 + place_of(work, adapter) : 0].push_back(i);
  }
  std::vector<std::vector<std::size_t>> together;
  for (auto& [place, answers] : by_adapter) together.push_back(std::move(answers));
  return together;
}

}  // namespace

std::int64_t answers_at_once(std::int64_t samples) {
  const auto most = static_cast<std::int64_t>(kMaxBatch);
  return samples <= most ? most / samples * samples : most;
}

Status check_writes_text(const LoadedModel& loaded) {
  if (loaded.model->causal() || loaded.model->sequence_to_sequence()) return {};
  return input_error(
      "A model of type " + std::string(loaded.family->model_type) + " does not write text.",
      loaded.folder.string(), "Compare such models by their evaluation losses.");
}

namespace {

Result<std::vector<Generated>> decode_prompts(const LoadedModel& loaded,
                                              const std::vector<Example>& prompts,
                                              std::vector<std::size_t> prompt_of,
                                              std::size_t samples, std::vector<Adapter*> adapters,
                                              const GenerationOptions& options,
                                              const GenerationProgress& progress,
                                              std::span<const std::uint64_t> draws) try {
  if (options.max_new_tokens < 1)
    return input_error("At least one new token must be allowed.", "max_new_tokens");
  if (!(options.temperature >= 0) || !std::isfinite(options.temperature))
    return input_error("A temperature is 0 or above.", "temperature");
  if (!(options.top_p > 0 && options.top_p <= 1))
    return input_error("top_p lies above 0 and at most at 1.", "top_p");
  LUTHIER_CHECK(check_writes_text(loaded));
  const c10::InferenceMode inference;
  std::vector<Generated> results(prompt_of.size());
  for (std::size_t i = 0; i < results.size(); ++i) {
    const std::size_t length = prompt_ids(*loaded.model, prompts.at(prompt_of[i])).size();
    if (length == 0) return input_error("The prompt is empty.", "prompt");
    results[i].prompt_tokens = static_cast<std::int64_t>(length);
  }
  if (!draws.empty() && draws.size() != results.size()) {
    return input_error("Each prompt needs a stream of draws.", "draws");
  }
  const bool alike =  // what hangs while they are decoded
      std::adjacent_find(adapters.begin(), adapters.end(), std::not_equal_to<>()) == adapters.end();
  const std::vector<TokenId> ends = options.ignore_eos ? std::vector<TokenId>() : loaded.eos_ids;
  const RuledScores rules(loaded.answer_rules, ends, options.max_new_tokens);
  Work work{loaded,
            prompts,
            std::move(prompt_of),
            samples,
            options,
            progress,
            draws,
            std::move(adapters),
            results,
            ends,
            rules,
            std::vector<AnswerText>(results.size(), AnswerText(loaded.processor->tokenizer())),
            {},
            // A recording is of the plugs that hung when it was made, and keeps logits there.
            !rules.any() && samples == 1 && options.top_k == 0 && options.barred.empty() && alike
                ? make_standing_steps(*loaded.model, options)
                : nullptr};
  for (const std::vector<std::size_t>& answers : decoded_together(work)) {
    if (!Decoder(work, answers).run()) break;
  }
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (!results[i].finish.empty()) continue;
    results[i].finish = "cancelled";
    work.place_tokens(i);
  }
  return results;
} catch (const std::exception& problem) {
  return device_failure(problem,
                        machine_error("There is not enough memory to answer.", "generate",
                                      "Ask for fewer new tokens, or fewer samples at a time."),
                        machine_error("Decoding failed: " + first_line(problem.what()), "generate"),
                        loaded.model->device().str());
}

/// So many answers to each.
std::vector<std::size_t> answers_to(const std::vector<Example>& prompts, std::size_t samples) {
  std::vector<std::size_t> prompt_of(prompts.size() * samples);
  for (std::size_t i = 0; i < prompt_of.size(); ++i) prompt_of[i] = i / samples;
  return prompt_of;
}

}  // namespace

Result<std::vector<Generated>> generate(const LoadedModel& loaded,
                                        const std::vector<Example>& prompts,
                                        const GenerationOptions& options,
                                        const GenerationProgress& progress,
                                        std::span<const std::uint64_t> draws) {
  return decode_prompts(loaded, prompts, answers_to(prompts, 1), /*samples=*/1, {}, options,
                        progress, draws);
}

Result<std::vector<Generated>> generate_groups(const LoadedModel& loaded,
                                               const std::vector<Example>& prompts,
                                               std::size_t samples,
                                               const GenerationOptions& options,
                                               const GenerationProgress& progress,
                                               std::span<const std::uint64_t> draws) {
  if (samples < 1) return input_error("Each prompt needs at least one answer.", "samples");
  return decode_prompts(loaded, prompts, answers_to(prompts, samples), samples, {}, options,
                        progress, draws);
}

Result<std::vector<Generated>> generate_by(const LoadedModel& loaded,
                                           const std::vector<Example>& prompts,
                                           const std::vector<AskedAnswer>& asked,
                                           const GenerationOptions& options,
                                           const GenerationProgress& progress,
                                           std::span<const std::uint64_t> draws) {
  std::vector<std::size_t> prompt_of;
  std::vector<Adapter*> adapters;
  for (const AskedAnswer& each : asked) {
    prompt_of.push_back(each.prompt);
    adapters.push_back(each.adapter);
  }
  return decode_prompts(loaded, prompts, std::move(prompt_of), /*samples=*/1, std::move(adapters),
                        options, progress, draws);
}

}  // namespace luthier
