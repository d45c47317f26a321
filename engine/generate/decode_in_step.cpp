// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/generate/decode_in_step.h"

#include <algorithm>
#include <chrono>

#include "engine/device/threads.h"
#include "engine/generate/decoding_work.h"
#include "engine/generate/prompt_reader.h"
#include "engine/generate/writer.h"

namespace luthier {

namespace {

using Clock = std::chrono::steady_clock;

/// Answers that are decoded in step, a token of each at a time. Sequences that end leave, where the
/// writer lets them, and make place for answers that wait, where it takes such.
class AnswerDecoder {
 public:
  /// `answers`: all that are to be made, those of one prompt beside one another.
  AnswerDecoder(DecodingWork& work, const std::vector<std::size_t>& answers)
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

  DecodingWork& work_;
  const LoadedModel& loaded_;
  const GenerationOptions& options_;
  const std::size_t most_;  ///< rows at once
  PromptReader reader_;
  RowAdapters adapters_;
  std::vector<std::vector<std::size_t>> waiting_;  ///< answers to one prompt each; the last is next
  std::vector<std::size_t> rows_;                  ///< in hand, by their answers
  std::vector<Clock::time_point> starts_;          ///< when each answer's prompt was read
};

}  // namespace

bool decode_in_step(DecodingWork& work, const std::vector<std::size_t>& answers) {
  return AnswerDecoder(work, answers).run();
}

}  // namespace luthier
