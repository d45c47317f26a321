// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/data/tools/dataset_copy.h"

#include <fcntl.h>
#include <unistd.h>

#include <optional>

#include "engine/data/boxes/box_rows.h"
#include "engine/data/row_writing.h"
#include "engine/io/files.h"
#include "engine/io/system_error.h"

namespace luthier {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kMostUnreadable = 100, kBuffered = 1u << 20;

/// A file that grows beside its place and is put there when it is whole.
class LineFile {
 public:
  static Result<LineFile> begin(const fs::path& file) {
    LUTHIER_CHECK(check_new_file(file));
    LineFile made;
    made.place_ = file;
    made.partial_ = file.string() + ".partial-" + std::to_string(::getpid());
    made.out_ =
        Descriptor(::open(made.partial_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
    if (made.out_.get() < 0) return system_error("This file cannot be written", file, errno);
    return made;
  }
  LineFile(LineFile&&) = default;
  LineFile& operator=(LineFile&&) = default;
  ~LineFile() {
    if (out_.get() < 0) return;
    (void)out_.close();
    std::error_code ignored;
    fs::remove(partial_, ignored);
  }

  Status add(const std::string& line) {
    buffer_ += line;
    buffer_ += '\n';
    return buffer_.size() < kBuffered ? Status() : flush();
  }
  /// Whether it stands in its place, which it may where `end` failed after that.
  bool placed() const { return placed_; }
  Status end() {
    LUTHIER_CHECK(flush());
    if (::fsync(out_.get()) != 0) return system_error("Writing failed", place_, errno);
    LUTHIER_CHECK(check_new_file(place_));
    LUTHIER_CHECK(rename_path(partial_, place_));
    placed_ = true;
    if (!out_.close()) return system_error("Writing failed", place_, errno);
    return sync_folder(place_.parent_path().empty() ? "." : place_.parent_path());
  }

 private:
  LineFile() = default;
  Status flush() {
    LUTHIER_CHECK(write_all(out_, buffer_, place_));
    buffer_.clear();
    return {};
  }
  fs::path place_, partial_;
  Descriptor out_;
  std::string buffer_;
  bool placed_ = false;
};

/// LLaVA's form, where a row is of plain turns; else its messages.
Json as_conversations(const Json& messages) {
  Json turns = Json::array(), images = Json::array();
  for (const Json& message : messages["messages"]) {
    const std::string role = message.value("role", std::string());
    std::string text;
    if (message["content"].is_string())
      text = message["content"].get<std::string>();
    else
      for (const Json& part : message["content"]) {
        const std::string type = part.value("type", std::string());
        if (type == "image") {
          text += "<image>\n";
          images.push_back(part["path"]);
        } else if (type == "text") {
          text += part["text"].get<std::string>();
        } else {
          return messages;
        }
      }
    if (role != "user" && role != "assistant" && role != "system") return messages;
    turns.push_back({{"from", role == "user"        ? "human"
                              : role == "assistant" ? "gpt"
                                                    : role},
                     {"value", text}});
  }
  Json row = {{"conversations", std::move(turns)}};
  if (images.size() == 1) row["image"] = images.front();
  if (images.size() > 1) row["images"] = std::move(images);
  return row;
}

Result<Json> formed(const Dataset& dataset, std::size_t row, const Json& json, CopyForm form,
                    const RowKind& kind, const fs::path& to) {
  if (form == CopyForm::AsWritten) return moved_row(json, dataset.folder_of(row), to);
  LUTHIER_TRY(const Conversation read,
              kind.read(json, dataset.folder_of(row), dataset.where(row), nullptr));
  if (read.chosen || read.answer || holds_boxes(read))  // whose answers messages do not hold
    return moved_row(json, dataset.folder_of(row), to);
  Json messages = row_json(read, to);
  return form == CopyForm::Messages ? messages : as_conversations(messages);
}

/// Pictures of a copy, which go again where the copy does not come whole.
class VariantFolder {
 public:
  explicit VariantFolder(const fs::path& file)
      : folder_(file.parent_path() / (file.stem().string() + "-pictures")) {}
  VariantFolder(const VariantFolder&) = delete;
  VariantFolder& operator=(const VariantFolder&) = delete;
  ~VariantFolder() {
    std::error_code ignored;
    if (made_ && !kept_) fs::remove_all(folder_, ignored);
  }

  Status make() {
    std::error_code problem;
    if (fs::exists(folder_, problem))
      return input_error("There is a folder already.", folder_.string(),
                         "Choose another name for the rows.");
    fs::create_directories(folder_, problem);
    if (problem) return system_error("This folder cannot be made", folder_, problem.value());
    made_ = true;
    return {};
  }
  /// The row with each picture as this variant has it; nothing: it has none.
  Result<std::optional<Json>> vary(const Conversation& row, std::size_t number, int copy,
                                   VariantRules rules, const fs::path& to) const {
    if (holds_boxes(row)) rules.crop = 0;  // its boxes are counted from the picture's edges
    Conversation varied = row;
    std::vector<std::pair<ContentPart*, Image>> pictures;
    for (Message& turn : varied.messages)
      for (ContentPart& part : turn.content) {
        if (part.kind != ContentPart::Kind::Image) continue;
        auto image = decode_image(part.image);
        if (!image) return image.error();  // before one of them is written
        pictures.emplace_back(&part, image.take());
      }
    for (std::size_t i = 0; i < pictures.size(); ++i) {
      const std::string name = std::to_string(number + 1) + "-" + std::to_string(copy + 1) + "-" +
                               std::to_string(i + 1) + ".png";
      const std::uint64_t place = (number * 1000 + static_cast<std::size_t>(copy)) * 1000 + i + 1;
      LUTHIER_TRY(const auto bytes, encode_png(picture_variant(pictures[i].second, rules, place)));
      LUTHIER_CHECK(write_file_atomically(
          folder_ / name, {reinterpret_cast<const char*>(bytes.data()), bytes.size()}));
      pictures[i].first->image = folder_ / name;
    }
    if (pictures.empty()) return std::optional<Json>();
    return std::optional<Json>(row_json(varied, to));
  }
  void keep() { kept_ = true; }

 private:
  fs::path folder_;
  bool made_ = false, kept_ = false;
};

void leave_out(CopyReport& report, const Error& error) {
  ++report.left_out;
  if (report.unreadable.size() < kMostUnreadable) report.unreadable.push_back(error);
}

}  // namespace

Result<CopyReport> copy_rows(const Dataset& dataset, const CopyRequest& request,
                             const fs::path& file, const RowKind& kind,
                             const RowProgress& progress) {
  LUTHIER_TRY(LineFile out, LineFile::begin(file));
  const fs::path folder = file.parent_path();
  VariantFolder variants(file);
  if (request.variants.copies > 0) LUTHIER_CHECK(variants.make());
  CopyReport report;
  for (std::size_t i = 0; i < request.rows.size(); ++i) {
    if (progress && i % 256 == 0 && !progress(i, request.rows.size())) return interrupted_error();
    const std::size_t row = request.rows[i];
    if (request.edits.dropped.contains(row)) continue;
    auto json = edited_row(dataset, row, request.edits.replaced);
    std::optional<Conversation> conversation;
    if (json && request.variants.copies > 0)
      if (auto read = kind.read(*json, dataset.folder_of(row), dataset.where(row), nullptr))
        conversation = read.take();
    if (json) json = formed(dataset, row, *json, request.form, kind, folder);
    if (!json) {
      leave_out(report, json.error());
      continue;
    }
    LUTHIER_CHECK(out.add(json->dump(-1, ' ', false, Json::error_handler_t::replace)));
    ++report.written;
    // Answers that are held against one another are not said by messages.
    if (!conversation || conversation->chosen || conversation->answer) continue;
    for (int copy = 0; copy < request.variants.copies; ++copy) {
      const auto varied = variants.vary(*conversation, row, copy, request.variants, folder);
      if (!varied && varied.error().code != ErrorCode::Input) return varied.error();
      if (!varied) leave_out(report, varied.error());  // a picture of it is broken
      if (!varied || !*varied) break;
      LUTHIER_CHECK(out.add((*varied)->dump(-1, ' ', false, Json::error_handler_t::replace)));
      ++report.written;
    }
  }
  if (report.written == 0)
    return input_error(
        "No row is left to write.", file.string(),
        report.unreadable.empty() ? "Take fewer rows out." : report.unreadable.front().sentence());
  const Status ended = out.end();
  if (out.placed()) variants.keep();  // the rows name them
  LUTHIER_CHECK(ended);
  return report;
}

RowList kept_rows(const Dataset& dataset, const RowEdits& edits) {
  RowList rows;
  rows.reserve(dataset.size());
  for (std::size_t row = 0; row < dataset.size(); ++row)
    if (!edits.dropped.contains(row)) rows.push_back(row);
  return rows;
}

}  // namespace luthier
