// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/data/picture_of_row.h"

namespace luthier {

Result<Conversation> read_picture_of_row(const Json& row, const std::filesystem::path& base,
                                         const std::string& where, RowFault* fault) {
  const Json shown = {{"messages", Json::array({{{"role", "user"}, {"content", "<image>"}}})},
                      {"images", Json::array({row["image"]})}};
  auto made = read_conversation(shown, base, where, fault);
  if (made) return made;
  Error error = made.error();
  const std::string field = where + ": images[0]";
  if (error.where.starts_with(field))
    error.where = where + ": image" + error.where.substr(field.size());
  return error;
}

}  // namespace luthier
