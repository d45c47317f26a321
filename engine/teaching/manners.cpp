// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/teaching/manners.h"

#include "engine/data/dataset.h"
#include "engine/teaching/language.h"

namespace luthier {

namespace {

std::string text_of(const std::vector<ContentPart>& content) {
  std::string text;
  for (const ContentPart& part : content) text += part.text;
  return text;
}

}  // namespace

Result<std::vector<Answered>> answered_both_ways(const std::filesystem::path& plain,
                                                 const std::filesystem::path& longer) {
  LUTHIER_TRY(const auto plain_rows, Dataset::open({plain}));
  LUTHIER_TRY(const auto longer_rows, Dataset::open({longer}));
  if (plain_rows->size() != longer_rows->size())
    return input_error("The file does not have as many rows as " + plain.string() + ".",
                       longer.string(), "Make both anew with luthier-cli teach.");
  std::vector<Answered> made;
  for (std::size_t row = 0; row < plain_rows->size(); ++row) {
    LUTHIER_TRY(const Conversation one, plain_rows->read(row));
    LUTHIER_TRY(const Conversation other, longer_rows->read(row));
    Answered answered;
    for (const ContentPart& part : one.messages.front().content)
      if (part.kind == ContentPart::Kind::Image)
        answered.picture = std::filesystem::absolute(part.image);
    answered.question = text_of(one.messages.front().content);
    answered.plain = text_of(one.messages.back().content);
    answered.longer = text_of(other.messages.back().content);
    if (text_of(other.messages.front().content) != answered.question)
      return input_error("The row asks another question than " + plain_rows->where(row) + " does.",
                         longer_rows->where(row), "Make both anew with luthier-cli teach.");
    made.push_back(std::move(answered));
  }
  return made;
}

Json asked(const Answered& row) {
  return {{"prompt", "<image>\n" + row.question}, {"images", {row.picture}}};
}

Json asked_as_list(Answered row) {
  row.question = untaught_instruction() + " " + row.question;
  return asked(row);
}

std::string list_lines(const std::vector<Answered>& rows) {
  std::string lines;
  for (const Answered& row : rows) {
    Json line = asked_as_list(row);
    line["completion"] = row.longer;
    lines += line.dump() + "\n";
  }
  return lines;
}

}  // namespace luthier
