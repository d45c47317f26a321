// SPDX-License-Identifier: GPL-3.0-or-later
// The checks before training: each row read, its pictures decoded, its text rendered and tokenized with the model's own processor, so that
// what is reported is what training would meet.
#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_map>

#include "engine/data/dataset.h"
#include "engine/io/files.h"

namespace luthier {

namespace {

struct Picture {
  std::filesystem::path path;
  std::optional<Error> error;
  ImageSize size;
};

using Pictures = std::map<std::filesystem::path, Picture>;
using Progress = std::function<bool(std::size_t, std::size_t)>;

// Decodes every picture once. `keep_going` is called from this thread only.
bool decode_all(Pictures& pictures, const std::function<bool(std::size_t)>& keep_going) {
  std::vector<Picture*> work;
  for (auto& [path, picture] : pictures) {
    picture.path = path;
    work.push_back(&picture);
  }
  std::atomic<std::size_t> next = 0, done = 0;
  std::atomic<bool> stop = false;
  const auto step = [&] {
    const std::size_t i = next.fetch_add(1);
    if (stop || i >= work.size()) return false;
    try {  // nobody stands above these threads
      const auto image = decode_image(work[i]->path);
      if (image)
        work[i]->size = {image->width, image->height};
      else
        work[i]->error = image.error();
    } catch (const std::exception& failure) {
      work[i]->error = machine_error(std::string("The picture could not be read: ") + failure.what() + ".", work[i]->path.string());
    }
    done.fetch_add(1);
    return true;
  };
  constexpr unsigned kMostThreads = 4;  // each may hold one large picture
  const std::size_t helpers = std::min<std::size_t>(std::clamp(std::thread::hardware_concurrency(), 1u, kMostThreads), work.size());
  std::vector<std::jthread> threads;
  for (std::size_t i = 1; i < helpers; ++i)
    threads.emplace_back([&] {
      while (step()) {}
    });
  while (step())
    if (!keep_going(done)) stop = true;
  threads.clear();  // joins
  return !stop;
}

bool is_blank(const Message& message) {
  return std::all_of(message.content.begin(), message.content.end(), [](const ContentPart& part) {
    return part.kind == ContentPart::Kind::Text && part.text.find_first_not_of(" \t\r\n") == std::string::npos;
  });
}

void collect_pictures(const std::vector<Message>& messages, Pictures& pictures) {
  for (const Message& message : messages)
    for (const ContentPart& part : message.content)
      if (part.kind == ContentPart::Kind::Image) pictures.try_emplace(part.image);
}

class Checker {
 public:
  Checker(const Dataset& dataset, const ChatProcessor& processor, LossOn loss_on, std::int64_t max_length, Pictures& pictures)
      : dataset_(dataset), processor_(processor), loss_on_(loss_on), max_length_(max_length), pictures_(pictures) {}

  void check(std::size_t row, DatasetReport& report) {
    row_ = row;
    report_ = &report;
    RowFault fault = RowFault::BadRow;
    const auto json = dataset_.row(row);
    if (!json) return add("bad_row", json.error().sentence());
    find_duplicate(*json);
    auto conversation = dataset_.read(row, &fault);
    if (!conversation) return add(row_fault_name(fault), conversation.error().sentence());
    bool usable = true;
    std::int64_t tokens = 0;
    if (conversation->chosen) {
      for (const auto* answer : {&*conversation->chosen, &*conversation->rejected}) {
        Conversation whole{conversation->messages, {}, {}};
        whole.messages.insert(whole.messages.end(), answer->begin(), answer->end());
        usable = usable && check_one(whole, tokens);
      }
    } else {
      usable = check_one(*conversation, tokens);
    }
    if (!usable) return;
    ++report.usable;
    report.longest_tokens = std::max(report.longest_tokens, tokens);
  }

 private:
  std::string where() const { return dataset_.where(row_); }
  void add(const std::string& kind, std::string message) { report_->findings.push_back({row_ + 1, kind, std::move(message)}); }

  void find_duplicate(const Json& json) {
    const std::string text = json.dump(-1, ' ', false, Json::error_handler_t::replace);
    const auto [first, is_new] = seen_.try_emplace(sha256_bytes(std::as_bytes(std::span(text))), row_);
    if (!is_new) add("duplicate", where() + ": The row is the same as " + dataset_.where(first->second) + ".");
  }

  bool check_one(const Conversation& conversation, std::int64_t& longest) {
    RowFault fault = RowFault::BadRow;
    const auto size_of = [this](const std::filesystem::path& path) -> Result<ImageSize> {
      const auto known = pictures_.find(path);
      if (known == pictures_.end()) return read_image_size(path);
      if (known->second.error) return *known->second.error;
      return known->second.size;
    };
    bool usable = true;
    for (const Message& message : conversation.messages)
      if (message.role == "assistant" && is_blank(message) && usable) {
        add("empty_answer", where() + ": An answer of the assistant is empty.");
        usable = false;
      }
    const auto whole = processor_.measure_training(conversation, loss_on_, 0, where(), &fault, size_of);
    if (!whole) {
      add(row_fault_name(fault), whole.error().sentence());
      return false;
    }
    const auto has_label = [](const std::vector<std::int64_t>& labels, std::size_t count) {
      return std::any_of(labels.begin(), labels.begin() + static_cast<std::ptrdiff_t>(count),
                         [](std::int64_t label) { return label != kIgnoreLabel; });
    };
    const std::size_t length = whole->input_ids.size();
    if (!has_label(whole->labels, length)) {
      add("no_labels", where() + ": No token of the row carries a loss: it has no answer that loss_on would count.");
      return false;
    }
    if (max_length_ > 0 && length > static_cast<std::size_t>(max_length_)) {
      const std::string numbers = "The row has " + std::to_string(length) + " tokens, max_length is " + std::to_string(max_length_);
      const auto& ids = whole->input_ids;
      const bool cuts_picture = std::find(ids.begin() + max_length_, ids.end(), processor_.image_token_id()) != ids.end();
      const bool cuts_all = !has_label(whole->labels, static_cast<std::size_t>(max_length_));
      if (cuts_picture)
        add("too_long", where() + ": " + numbers + ", and the cut would go through a picture. Raise training.max_length.");
      else if (cuts_all)
        add("too_long", where() + ": " + numbers + ", and no token that carries a loss is left. Raise training.max_length.");
      else
        add("too_long", where() + ": " + numbers + ": the end of its answer will be cut.");
      if (cuts_picture || cuts_all) usable = false;
    }
    const auto kept = static_cast<std::int64_t>(length);
    longest = std::max(longest, max_length_ > 0 ? std::min(kept, max_length_) : kept);
    return usable;
  }

  const Dataset& dataset_;
  const ChatProcessor& processor_;
  LossOn loss_on_;
  std::int64_t max_length_;
  Pictures& pictures_;
  std::unordered_map<std::string, std::size_t> seen_;
  std::size_t row_ = 0;
  DatasetReport* report_ = nullptr;
};

}  // namespace

Result<DatasetReport> check_dataset(const Dataset& dataset, const ChatProcessor& processor, LossOn loss_on, std::int64_t max_length,
                                    const Progress& progress) {
  DatasetReport report;
  report.rows = dataset.size();
  Pictures pictures;
  for (std::size_t row = 0; row < report.rows; ++row)
    if (const auto conversation = dataset.read(row)) collect_pictures(conversation->messages, pictures);
  const std::size_t total = pictures.size() + report.rows;
  const auto report_progress = [&](std::size_t done) { return !progress || progress(done, total); };
  if (!decode_all(pictures, report_progress)) return interrupted_error("The data check was cancelled.");
  Checker checker(dataset, processor, loss_on, max_length, pictures);
  for (std::size_t row = 0; row < report.rows; ++row) {
    checker.check(row, report);
    if (!report_progress(pictures.size() + row + 1)) return interrupted_error("The data check was cancelled.");
  }
  return report;
}

}  // namespace luthier
