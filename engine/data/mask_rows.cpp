// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/data/mask_rows.h"

#include <algorithm>

#include "engine/data/mask.h"
#include "engine/data/picture_of_row.h"
#include "engine/vision/inline_picture.h"

namespace luthier {

namespace {

constexpr const char* kMaskRowForms =
    "Rows are {\"image\": \"…\", \"text\": \"…\", \"mask\": …}, with \"prompt_image\" in place of "
    "\"text\" where a picture shows what is sought.";

bool says(const Json& row, const char* key) { return row.contains(key) && !row[key].is_null(); }

/// A row's picture under `field`, as read_picture_of_row reads that under `image`.
Result<std::filesystem::path> picture_under(const Json& row, const char* field,
                                            const std::filesystem::path& base,
                                            const std::string& where, RowFault* fault) {
  auto made = read_picture_of_row({{"image", row[field]}}, base, where, fault);
  if (made) return made->messages.front().content.front().image;
  Error error = made.error();
  const std::string own = where + ": image";
  if (error.where.starts_with(own))
    error.where = where + ": " + field + error.where.substr(own.size());
  return error;
}

class MaskRows : public RowKind {
 public:
  const char* name() const override { return "masks"; }
  bool recognises(const Json& row) const override {
    return says(row, "image") && says(row, "mask");
  }

  Result<Conversation> read(const Json& row, const std::filesystem::path& base,
                            const std::string& where, RowFault* fault) const override {
    const auto refused = [&](const char* what, const std::string& field) {
      if (fault) *fault = RowFault::BadRow;
      return input_error(what, where + ": " + field, kMaskRowForms);
    };
    if (!row.is_object()) return refused("The row is no object.", "row");
    if (!says(row, "image")) return refused("The row has no picture.", "image");
    if (row["image"].is_array()) return refused("A prompt is sought in one picture.", "image");
    if (!says(row, "mask")) return refused("The row has no mask.", "mask");
    const bool text = says(row, "text"), shown = says(row, "prompt_image");
    if (text && shown)
      return refused("The row has a text and a picture as its prompt, and one of them is read.",
                     "prompt_image");
    if (!text && !shown) return refused("The row has no prompt.", "text");
    if (text && !row["text"].is_string()) return refused("The prompt must be a text.", "text");
    const std::string prompt = text ? row["text"].get<std::string>() : std::string();
    if (text && prompt.find_first_not_of(" \t\r\n") == std::string::npos)
      return refused("The prompt is empty.", "text");
    LUTHIER_TRY(Conversation made, read_picture_of_row(row, base, where, fault));
    Message& first = made.messages.front();
    if (text) first.content.push_back(ContentPart::of_text(prompt));
    const Json& mask = row["mask"];
    if (mask.is_object() && mask.contains("counts"))
      return refused("The mask is written as run lengths (RLE), which are not read.", "mask");
    if (!mask.is_array() && !mask.is_string() && !mask.is_object())
      return refused("The mask is neither a picture nor boxes nor polygons.", "mask");
    if (mask.is_array()) {
      first.extra = {{"shapes", mask}};
    } else {
      LUTHIER_TRY(const std::filesystem::path file, picture_under(row, "mask", base, where, fault));
      first.extra = {{"mask", file.string()}};
    }
    if (shown) {
      LUTHIER_TRY(std::filesystem::path other,
                  picture_under(row, "prompt_image", base, where, fault));
      made.messages.push_back({"prompt", {ContentPart::of_image(std::move(other))}, nullptr});
    }
    return made;
  }

  Result<EncodedRow> encode(const Conversation& row, const ChatProcessor& processor,
                            const RowEncoding& how, const std::string& where,
                            RowFault* fault) const override {
    const auto refused = [&](Error error, RowFault kind) {
      if (fault) *fault = kind;
      return error;
    };
    if (row.messages.empty() || !row.messages.front().extra.is_object())
      return refused(input_error("The row has no mask.", where, kMaskRowForms), RowFault::BadRow);
    const ChatProcessor::SizeOf* outline = how.outline ? &how.size_of : nullptr;
    const auto sequence = [&](const Message& message) {
      Conversation alone;
      alone.messages = {message};
      // A row of no text is refused; what stands beside a prompting picture is not read.
      if (message.content.size() == 1)
        alone.messages.front().content.push_back(ContentPart::of_text("a"));
      return processor.encode_caption(alone, how.max_length, where, fault, outline);
    };
    LUTHIER_TRY(Example example, sequence(row.messages.front()));
    if (row.messages.size() > 1) {
      LUTHIER_TRY(Example prompt, sequence(row.messages[1]));
      example.images.push_back(std::move(prompt.images.front()));
    }
    // Of the row and none of its tokens, so that it stands where no shift finds it.
    std::fill(example.labels.begin(), example.labels.end(), kIgnoreLabel);
    if (!example.labels.empty()) example.labels.front() = 0;
    EncodedRow encoded;
    encoded.sequences.push_back(std::move(example));
    RowFault kind = RowFault::BadRow;
    auto runs = runs_of(row.messages.front(), how, where, kind);
    if (!runs) return refused(runs.error(), kind);
    encoded.targets = runs.take();
    return encoded;
  }

 private:
  /// Empty where only shapes are asked for.
  static Result<std::vector<double>> runs_of(const Message& message, const RowEncoding& how,
                                             const std::string& where, RowFault& kind) {
    const std::string place = where + ": mask";
    const auto size_of = [&](const std::filesystem::path& path) {
      return how.size_of ? how.size_of(path) : read_image_size(path);
    };
    const auto image =
        std::find_if(message.content.begin(), message.content.end(),
                     [](const ContentPart& part) { return part.kind == ContentPart::Kind::Image; });
    LUTHIER_TRY(const ImageSize size, size_of(image->image));
    if (message.extra.contains("shapes")) {
      const Json& shapes = message.extra["shapes"];
      if (how.outline) {
        LUTHIER_CHECK(check_mask_shapes(shapes, size, place));
        return std::vector<double>();
      }
      LUTHIER_TRY(const Mask mask, mask_of_shapes(shapes, size, place));
      return mask_runs(mask);
    }
    const std::filesystem::path file = message.extra["mask"].get<std::string>();
    std::error_code ignored;
    const bool there = is_inline_picture(file) || std::filesystem::exists(file, ignored);
    const auto at_mask = [&](Error error) {
      kind = there ? RowFault::BrokenImage : RowFault::MissingImage;
      error.where = place + (error.where.empty() ? "" : ": " + error.where);
      return error;
    };
    const auto own = size_of(file);
    if (!own) return at_mask(own.error());
    if (own->width != size.width || own->height != size.height)
      return input_error("The mask is " + std::to_string(own->width) + " x " +
                             std::to_string(own->height) + " pixels, and its picture " +
                             std::to_string(size.width) + " x " + std::to_string(size.height) + ".",
                         place, "A mask has a pixel for each of its picture's.");
    if (how.outline) return std::vector<double>();
    const auto picture = decode_image(file);
    if (!picture) return at_mask(picture.error());
    LUTHIER_TRY(const Mask mask, mask_of_picture(*picture, place));
    return mask_runs(mask);
  }
};

}  // namespace

const RowKind& mask_rows() {
  static const MaskRows kind;
  return kind;
}

}  // namespace luthier
