// SPDX-License-Identifier: GPL-3.0-or-later
// The checks before training: each row read, its pictures decoded (or their headers read), its text
// rendered and tokenized with the model's own processor, so that what is reported is what training
// would meet.
#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_map>
#include <unordered_set>

#include "engine/base/first_fault.h"
#include "engine/base/utf8.h"
#include "engine/data/checked_rows.h"
#include "engine/data/dataset.h"
#include "engine/data/row_keys.h"
#include "engine/data/row_kind.h"
#include "engine/data/whole_row.h"
#include "engine/io/files.h"
#include "engine/vision/inline_picture.h"

namespace luthier {

namespace {

using Progress = std::function<bool(std::size_t, std::size_t)>;

/// Sizes of pictures, each decoded once, by whichever thread asks first; the others wait for it.
class Pictures {
 public:
  Result<ImageSize> size_of(const std::filesystem::path& path) {
    if (is_inline_picture(path)) return decode(path);  // as long as its row, and no other row's
    std::shared_ptr<Entry> entry;
    {
      const std::lock_guard lock(mutex_);
      std::shared_ptr<Entry>& known = entries_[path.native()];
      if (!known) known = std::make_shared<Entry>();
      entry = known;
    }
    const std::lock_guard lock(entry->mutex);
    if (!entry->size) entry->size = decode(path);
    return *entry->size;
  }

 private:
  struct Entry {
    std::mutex mutex;
    std::optional<Result<ImageSize>> size;
  };

  static Result<ImageSize> decode(const std::filesystem::path& path) {
    try {
      const auto image = decode_image(path);
      if (!image) return image.error();
      return ImageSize{image->width, image->height};
    } catch (const std::exception& failure) {
      return machine_error(std::string("The picture could not be read: ") + failure.what() + ".",
                           picture_name(path));
    }
  }

  std::mutex mutex_;
  std::unordered_map<std::string, std::shared_ptr<Entry>> entries_;
};

bool is_blank(const Message& message) {
  if (message.extra.is_object() && message.extra.contains("tool_calls")) return false;
  return std::all_of(message.content.begin(), message.content.end(), [](const ContentPart& part) {
    return part.kind == ContentPart::Kind::Text &&
           part.text.find_first_not_of(" \t\r\n") == std::string::npos;
  });
}

/// What the check of one row found.
struct Outcome {
  std::vector<Finding> findings;
  std::vector<std::string>
      near_keys;       ///< keys that are not read and nearly known, with what they may mean
  std::string digest;  ///< of the row as written; empty when it is no JSON
  std::int64_t tokens = 0;
  bool usable = false;
};

/// One row at a time; threads have one each.
class Checker {
 public:
  Checker(const Dataset& dataset, const ChatProcessor& processor, const DatasetCheck& how,
          Pictures& pictures, const RowWatch& watch)
      : dataset_(dataset), processor_(processor), how_(how), pictures_(pictures), watch_(watch) {}

  Outcome check(std::size_t row) {
    row_ = row;
    outcome_ = {};
    try {
      look();
    } catch (const std::exception& failure) {  // nobody stands above these threads
      add("bad_row", where() + ": The row could not be read: " + failure.what() + ".");
    }
    return std::move(outcome_);
  }

 private:
  std::string where() const { return dataset_.where(row_); }
  void add(const std::string& kind, std::string message, bool usable = false) {
    outcome_.findings.push_back({row_, kind, std::move(message), usable});
  }

  void look() {
    RowFault fault = RowFault::BadRow;
    const auto json = dataset_.row(row_);
    if (!json) return add("bad_row", json.error().sentence());
    const std::string text = json->dump(-1, ' ', false, Json::error_handler_t::replace);
    // As many digits as a string holds without memory of its own: a million rows are compared.
    constexpr std::size_t kDigits = 15;
    outcome_.digest = sha256_bytes(std::as_bytes(std::span(text))).substr(0, kDigits);
    const RowKind& kind = how_.kind ? *how_.kind : any_rows();
    auto conversation = kind.read(*json, dataset_.folder_of(row_), where(), &fault);
    if (!conversation) return add(row_fault_name(fault), conversation.error().sentence());
    if (watch_) watch_(row_, *conversation);
    for (const detail::UnreadKey& unread : detail::unread_keys(*json))
      outcome_.near_keys.push_back(
          "The key \"" + shortened(unread.key, 60) + "\" is not read" +
          (unread.nearest.empty() ? "." : "; " + unread.nearest + " may be meant."));
    bool usable = !has_blank_answer(*conversation);
    if (!usable) add("empty_answer", where() + ": An answer of the assistant is empty.");
    if (conversation->chosen && conversation->rejected &&
        messages_for_template(*conversation->chosen) ==
            messages_for_template(*conversation->rejected))
      add("equal_answers", where() + ": The chosen and the rejected answer are the same.",
          /*usable=*/true);
    RowEncoding how;
    how.loss_on = how_.loss_on;
    how.outline = true;  // sizes from the headers
    if (how_.decode)
      how.size_of = [this](const std::filesystem::path& path) { return pictures_.size_of(path); };
    const auto whole =
        encode_whole(kind, *conversation, processor_, how, how_.max_length, where(), &fault);
    if (!whole) return add(row_fault_name(fault), whole.error().sentence());
    for (std::size_t i = 0; i < whole->sequences.size(); ++i)
      usable = check_length(whole->sequences[i], i == 0 ? whole->prompt_labels : 0) && usable;
    outcome_.usable = usable;
  }

  static bool has_blank_answer(const Conversation& conversation) {
    const auto* chosen = conversation.chosen ? &*conversation.chosen : nullptr;
    const auto* rejected = conversation.rejected ? &*conversation.rejected : nullptr;
    const auto* answer = conversation.answer ? &*conversation.answer : nullptr;
    for (const auto* turns : {&conversation.messages, chosen, rejected, answer})
      if (turns && std::any_of(turns->begin(), turns->end(), [](const Message& message) {
            return message.role == "assistant" && is_blank(message);
          }))
        return true;
    return false;
  }

  /// `before`: of its labels, those that stand before the answer.
  bool check_length(const Example& whole, std::int64_t before) {
    bool usable = true;
    const auto has_label = [before](const std::vector<std::int64_t>& labels, std::size_t count) {
      return std::count_if(labels.begin(), labels.begin() + static_cast<std::ptrdiff_t>(count),
                           [](std::int64_t label) { return label != kIgnoreLabel; }) > before;
    };
    // What an encoder reads beside a picture is never cut; of two texts each is by itself.
    const bool apart = processor_.row_form() == RowForm::Source,
               counted = !apart && processor_.row_form() != RowForm::PrefixSuffix;
    const std::size_t read = counted ? whole.source_ids.size() : 0,
                      length = read + whole.input_ids.size() +
                               static_cast<std::size_t>(whole.truncated_tokens);
    if (!has_label(whole.labels, whole.input_ids.size())) {
      add("no_labels",
          where() +
              ": No token of the row carries a loss: it has no answer that loss_on would count.");
      return false;
    }
    const auto most = static_cast<std::size_t>(std::max<std::int64_t>(how_.max_length, 0));
    if (apart && most > 0 && whole.source_ids.size() > most)
      add("too_long",
          where() + ": The text that is read has " + std::to_string(whole.source_ids.size()) +
              " tokens, max_length is " + std::to_string(most) + ": its end will be cut.",
          /*usable=*/true);
    const std::size_t kept_ids = whole.input_ids.size();
    if (counted && read == 0 && whole.truncated_tokens > 0 && (most == 0 || kept_ids < most)) {
      add("too_long",
          where() + ": The text has " + std::to_string(length) + " tokens, and the model reads " +
              std::to_string(kept_ids) + " at most: its end will be cut.",
          /*usable=*/true);
    } else if (most > 0 && length > most) {
      const std::string numbers = "The row has " + std::to_string(length) +
                                  " tokens, max_length is " + std::to_string(how_.max_length);
      const auto& ids = whole.input_ids;
      const std::size_t left = most > read ? most - read : 0;
      const bool cuts_picture =
          most < read || std::any_of(ids.begin() + static_cast<std::ptrdiff_t>(left), ids.end(),
                                     [this](TokenId id) { return processor_.shows(id); });
      const bool cuts_all = !has_label(whole.labels, left);
      if (cuts_picture)
        add("too_long", where() + ": " + numbers +
                            ", and the cut would go through a picture. Raise training.max_length.");
      else if (cuts_all)
        add("too_long",
            where() + ": " + numbers +
                ", and no token that carries a loss is left. Raise training.max_length.");
      else
        add("too_long", where() + ": " + numbers + ": the end of its answer will be cut.",
            /*usable=*/true);
      if (cuts_picture || cuts_all) usable = false;
    }
    const auto kept = [most](std::size_t tokens) {
      return static_cast<std::int64_t>(most > 0 ? std::min(tokens, most) : tokens);
    };
    outcome_.tokens =
        std::max(outcome_.tokens, kept(length) + (apart ? kept(whole.source_ids.size()) : 0));
    return usable;
  }

  const Dataset& dataset_;
  const ChatProcessor& processor_;
  const DatasetCheck& how_;
  Pictures& pictures_;
  const RowWatch& watch_;
  std::size_t row_ = 0;
  Outcome outcome_;
};

/// The rows' outcomes in their order: duplicates are told by it.
DatasetReport summed(const Dataset& dataset, std::vector<Outcome> outcomes) {
  DatasetReport report;
  report.rows = outcomes.size();
  std::unordered_map<std::string, std::size_t> seen;
  std::unordered_set<std::string> said;
  for (std::size_t row = 0; row < outcomes.size(); ++row) {
    Outcome& outcome = outcomes[row];
    if (!outcome.digest.empty()) {
      const auto [first, is_new] = seen.try_emplace(outcome.digest, row);
      if (!is_new)
        report.findings.push_back(
            {row, "duplicate",
             dataset.where(row) + ": The row is the same as " + dataset.where(first->second) + ".",
             true});
    }
    for (Finding& finding : outcome.findings) report.findings.push_back(std::move(finding));
    for (const std::string& key : outcome.near_keys)  // most often every row has it
      if (said.insert(key).second)
        report.findings.push_back({row, "unknown_key", dataset.where(row) + ": " + key, true});
    if (!outcome.usable) continue;
    ++report.usable;
    report.longest_tokens = std::max(report.longest_tokens, outcome.tokens);
  }
  return report;
}

}  // namespace

Result<DatasetReport> check_watched(const Dataset& dataset, const ChatProcessor& processor,
                                    const DatasetCheck& how, const RowWatch& watch,
                                    const Progress& progress) {
  const std::size_t rows = dataset.size();
  std::vector<Outcome> outcomes(rows);
  Pictures pictures;
  std::atomic<std::size_t> next = 0, done = 0;
  std::atomic<bool> stop = false;
  FirstFault fault;
  const auto step = [&](Checker& checker) {
    const std::size_t row = next.fetch_add(1);
    if (stop || fault || row >= rows) return false;
    if (!fault.guard([&] { outcomes[row] = checker.check(row); })) return false;
    done.fetch_add(1);
    return true;
  };
  constexpr unsigned kMostThreads = 4;  // each may hold one large picture
  const std::size_t helpers = std::min<std::size_t>(
      std::clamp(std::thread::hardware_concurrency(), 1u, kMostThreads), rows);
  std::vector<std::jthread> threads;
  for (std::size_t i = 1; i < helpers; ++i)
    threads.emplace_back([&] {
      Checker checker(dataset, processor, how, pictures, watch);
      while (step(checker)) {}
    });
  Checker checker(dataset, processor, how, pictures, watch);
  while (step(checker))
    if (progress && !progress(done, rows)) stop = true;
  threads.clear();  // joins
  if (fault) return machine_error("The rows could not be gone through: " + fault.what() + ".");
  if (stop || (progress && !progress(rows, rows)))
    return interrupted_error("The data check was cancelled.");
  return summed(dataset, std::move(outcomes));
}

Result<DatasetReport> check_dataset(const Dataset& dataset, const ChatProcessor& processor,
                                    const DatasetCheck& how, const Progress& progress) {
  return check_watched(dataset, processor, how, {}, progress);
}

Result<DatasetReport> check_dataset(const Dataset& dataset, const ChatProcessor& processor,
                                    LossOn loss_on, std::int64_t max_length,
                                    const Progress& progress) {
  DatasetCheck how;
  how.loss_on = loss_on;
  how.max_length = max_length;
  return check_dataset(dataset, processor, how, progress);
}

}  // namespace luthier
