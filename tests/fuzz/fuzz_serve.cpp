// SPDX-License-Identifier: GPL-3.0-or-later
// Bytes from the other end of a line: commands as serve reads them, what serve says as its client
// does, and a journal as it was left.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "engine/runs/elsewhere/followed_files.h"
#include "engine/runs/elsewhere/journal.h"
#include "engine/runs/elsewhere/protocol.h"

namespace {

void read_line(const std::string& line) {
  if (const auto order = luthier::read_order(line)) {
    const auto again = luthier::read_order(luthier::order_line(*order));
    if (!again || again->index() != order->index()) std::abort();
    (void)luthier::session_command(*order);
  } else if (order.error().what.empty()) {
    std::abort();
  }
  const auto json = luthier::parse_json(line, "fuzz");
  if (!json) return;
  (void)luthier::hello_from_json(*json, "fuzz");
  if (luthier::error_from_json(*json).what.empty()) std::abort();
  // A list of files; what is asked for them stays within the folder.
  luthier::FollowedFiles files("/nowhere/luthier-fuzz");
  files.start_round(true);
  (void)files.next();
  if (!json->is_object() || !json->contains("files")) return;
  (void)files.take(*json).ok();
  if (const auto order = files.next())
    if (const auto* fetch = std::get_if<luthier::FetchOrder>(&*order))
      if (fetch->file.empty() || ("/" + fetch->file + "/").find("/../") != std::string::npos ||
          fetch->file[0] == '/')
        std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  luthier::LineBuffer lines(4096, "fuzz");
  std::vector<std::string> all;
  for (std::size_t at = 0; at < text.size(); at += 7) {
    lines.add(text.substr(at, 7));
    while (const auto line = lines.next()) {
      if (!*line) continue;
      if ((*line)->size() > 4096) std::abort();
      read_line(**line);
      all.push_back(**line);
    }
  }
  luthier::JournalLimits limits;
  limits.steps = limits.answers = 4;
  if (luthier::kept_lines(all, limits).size() > all.size()) std::abort();
  return 0;
}
