// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/handover/trl_rows.h"

#include <cstdio>
#include <fstream>
#include <optional>

#include "engine/handover/each_row.h"
#include "engine/io/files.h"
#include "engine/vision/inline_picture.h"

namespace luthier::handover {

namespace fs = std::filesystem;

namespace {

const char* picture_suffix(const std::string& bytes) {
  if (bytes.starts_with("\x89PNG")) return ".png";
  if (bytes.starts_with("\xff\xd8")) return ".jpg";
  if (bytes.starts_with("GIF8")) return ".gif";
  if (bytes.starts_with("BM")) return ".bmp";
  return bytes.size() > 12 && bytes.compare(8, 4, "WEBP") == 0 ? ".webp" : ".tiff";
}

fs::path whole_path(const fs::path& path) { return fs::absolute(path).lexically_normal(); }

/// One row's JSON; pictures go into one list, in their order.
class RowJson {
 public:
  RowJson(PicturePlaces& places, const fs::path& folder) : places_(places), folder_(folder) {}

  Result<Json> messages(const std::vector<Message>& messages) {
    Json list = Json::array();
    for (const Message& message : messages) {
      Json written{{"role", message.role}};
      LUTHIER_TRY(written["content"], content(message));
      if (message.extra.is_object())
        for (const auto& [key, value] : message.extra.items()) written[key] = value;
      list.push_back(std::move(written));
    }
    return list;
  }
  const Json& pictures() const { return pictures_; }

 private:
  Result<Json> content(const Message& message) {
    Json parts = Json::array();
    for (const ContentPart& part : message.content) {
      if (part.kind == ContentPart::Kind::Text) {
        parts.push_back({{"type", "text"}, {"text", part.text}});
        continue;
      }
      parts.push_back({{"type", "image"}});
      LUTHIER_TRY(std::string place, place_of(part.image));
      pictures_.push_back(std::move(place));
    }
    return parts;
  }

  Result<std::string> place_of(const fs::path& picture) {
    if (!is_inline_picture(picture)) {
      const fs::path whole = whole_path(picture);
      return places_.root.empty() ? whole.string()
                                  : whole.lexically_relative(places_.root).generic_string();
    }
    LUTHIER_TRY(const std::string bytes, inline_picture_bytes(picture));
    char name[48];
    std::snprintf(name, sizeof name, "pictures/%08zu%s", places_.written++, picture_suffix(bytes));
    std::error_code ignored;
    fs::create_directories(folder_ / "pictures", ignored);
    LUTHIER_CHECK(write_file_atomically(folder_ / name, bytes));
    return std::string(name);
  }

  PicturePlaces& places_;
  const fs::path& folder_;
  Json pictures_ = Json::array();
};

Result<Json> row_for_trl(const Conversation& row, const TrlTrainer& trainer, const RowFacts& facts,
                         RowJson& writer) {
  Json written = Json::object();
  if (trainer.columns == RowColumns::Answer && facts.tokenizing != Tokenizing::Trl) {
    LUTHIER_TRY(written["messages"], writer.messages(row.messages));
  } else if (trainer.columns == RowColumns::Answer) {
    LUTHIER_TRY(written["prompt"], writer.messages({row.messages.begin(), row.messages.end() - 1}));
    LUTHIER_TRY(written["completion"], writer.messages({row.messages.back()}));
  } else {
    LUTHIER_TRY(written["prompt"], writer.messages(row.messages));
    if (trainer.columns == RowColumns::Pair) {
      LUTHIER_TRY(written["chosen"], writer.messages(*row.chosen));
      LUTHIER_TRY(written["rejected"], writer.messages(*row.rejected));
      if (trainer.scores && facts.margins) {
        const auto margin = row.numbers.find("margin");
        written["margin"] = margin == row.numbers.end() ? 0.0 : margin->second;
      }
    } else {
      LUTHIER_TRY(written["completion"], writer.messages(*row.answer));
      written["label"] = row.numbers.at("label") != 0;
    }
  }
  if (facts.pictures) written["images"] = writer.pictures();
  return written;
}

}  // namespace

Result<PicturePlaces> picture_places(const std::vector<RowsToWrite>& sets,
                                     const Progress& progress) {
  std::optional<fs::path> root;
  bool in_rows = false;
  LUTHIER_CHECK(
      each_row(sets, progress,
               [&](const RowsToWrite&, const Conversation& row, const std::string&) -> Status {
                 for (const Message* message : all_messages(row))
                   for (const ContentPart& part : message->content) {
                     if (part.kind != ContentPart::Kind::Image) continue;
                     in_rows = in_rows || is_inline_picture(part.image);
                     if (is_inline_picture(part.image)) continue;
                     const fs::path folder = whole_path(part.image).parent_path();
                     if (!root) root = folder;
                     const auto [left, right] =
                         std::mismatch(root->begin(), root->end(), folder.begin(), folder.end());
                     fs::path common;
                     for (auto each = root->begin(); each != left; ++each) common /= *each;
                     root = common;
                   }
                 return {};
               }));
  return PicturePlaces{in_rows || !root ? fs::path() : *root};
}

Status write_trl_rows(const RowsToWrite& rows, const TrlTrainer& trainer, const RowFacts& facts,
                      PicturePlaces& places, const fs::path& folder, const std::string& name,
                      const Progress& progress) {
  const fs::path path = folder / name;
  std::ofstream file(path, std::ios::binary);
  LUTHIER_CHECK(
      each_row({rows}, progress,
               [&](const RowsToWrite&, const Conversation& row, const std::string&) -> Status {
                 RowJson writer(places, folder);
                 LUTHIER_TRY(const Json written, row_for_trl(row, trainer, facts, writer));
                 file << written.dump(-1, ' ', false, Json::error_handler_t::replace) << '\n';
                 return {};
               }));
  file.flush();
  if (!file) return machine_error("The rows cannot be written: is the disk full?", path.string());
  return {};
}

}  // namespace luthier::handover
