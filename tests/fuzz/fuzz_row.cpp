// SPDX-License-Identifier: GPL-3.0-or-later
// A dataset from anywhere: its rows are found inside the text, and each becomes a conversation
// whose every picture has a path, or an error. Boxes of rows are written in every notation, and the
// text is read as an answer in each.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "engine/base/text.h"
#include "engine/data/boxes/box_rows.h"
#include "engine/data/conversation.h"
#include "engine/data/dataset_index.h"
#include "engine/data/row_bytes.h"
#include "engine/data/row_keys.h"
#include "engine/data/row_kind.h"
#include "engine/data/sources/row_source.h"
#include "engine/data/tools/row_texts.h"
#include "engine/io/file_kind.h"
#include "engine/rewards/built_in.h"

namespace {

/// In each notation, as boxes of a picture of any size: what is written is read back.
void write_boxes(const luthier::Conversation& row) {
  const auto size_of = [](const std::filesystem::path&) {
    return luthier::Result<luthier::ImageSize>(luthier::ImageSize{640, 480});
  };
  for (const auto& each : luthier::box_notations()) {
    if (each.notation->counts_seen_pixels()) continue;  // there is no processor here
    const auto text = luthier::boxes_text(row, {each.notation, nullptr}, "fuzz", nullptr, size_of);
    if (text && each.notation->read(*text).size() != luthier::boxes_of(row).size()) std::abort();
    if (!text && text.error().what.empty()) std::abort();
  }
}

void read_rows(std::string_view text, const luthier::detail::RowSpans& rows) {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const luthier::detail::RowSpan row = rows[i];
    if (row.begin >= row.end || row.end > text.size() || row.line == 0) std::abort();
    const auto json = luthier::parse_json(text.substr(row.begin, row.end - row.begin), "fuzz");
    if (!json) continue;
    if (json->is_object()) (void)luthier::detail::unread_keys(*json);
    // What a text holds is never said not to be there.
    luthier::each_text(*json, [&](const std::string&, std::string_view said) {
      for (const std::string_view part : {said, said.substr(said.size() / 2)})
        if (!luthier::detail::may_hold(text.substr(row.begin, row.end - row.begin),
                                       luthier::ascii_lower(part)))
          std::abort();
      return true;
    });
    const auto steps = luthier::stepwise_rows().read(*json, "base", "fuzz: row 1", nullptr);
    if (steps && json->is_object() && (!steps->answer || steps->answer->empty())) std::abort();
    for (const auto& reward : luthier::built_in_rewards())
      if (std::string_view(reward.name) != "regex")  // which has seconds of its own
        (void)reward.reward({std::string(text.substr(0, 4096)), &*json, nullptr, "fuzz"});
    const auto conversation = luthier::read_conversation(*json, "base", "fuzz: row 1");
    if (!conversation) {
      if (conversation.error().what.empty()) std::abort();
      continue;
    }
    for (const auto& message : conversation->messages)
      for (const auto& part : message.content)
        if ((part.kind == luthier::ContentPart::Kind::Image) == part.image.empty() ||
            (part.kind == luthier::ContentPart::Kind::Film) == part.film.empty())
          std::abort();
    (void)luthier::messages_for_template(conversation->messages);
    if (luthier::holds_boxes(*conversation)) write_boxes(*conversation);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)luthier::file_kind(text);
  (void)luthier::text_fault(text, "JSON", "fuzz");
  (void)luthier::detail::looks_like_lines(text, "a.json");
  (void)luthier::detail::looks_like_coco(text);
  for (const auto& each : luthier::box_notations())
    if (each.notation->read(text).size() > luthier::kMostBoxes) std::abort();
  read_rows(text, luthier::detail::index_lines(text));
  if (const auto rows = luthier::detail::index_json(text, "fuzz")) read_rows(text, *rows);
  return 0;
}
