// SPDX-License-Identifier: GPL-3.0-or-later
// Every usable row of some datasets, one after another. Internal to the room.
#pragma once

#include "engine/data/boxes/box_rows.h"
#include "engine/handover/trl_rows.h"

namespace luthier::handover {

/// All messages of a row, its answers behind one another.
inline std::vector<const Message*> all_messages(const Conversation& row) {
  std::vector<const Message*> all;
  for (const Message& message : row.messages) all.push_back(&message);
  for (const auto* answer : {&row.chosen, &row.rejected, &row.answer})
    if (*answer)
      for (const Message& message : **answer) all.push_back(&message);
  return all;
}

/// `act(set, row, where)`, until it fails.
template <class Do>
Status each_row(const std::vector<RowsToWrite>& sets, const Progress& progress, Do&& act) {
  std::size_t total = 0, done = 0;
  for (const RowsToWrite& set : sets) total += set.usable.size();
  for (const RowsToWrite& set : sets)
    for (const std::int64_t row : set.usable) {
      if (progress && done++ % 64 == 0 && !progress(done, total)) return interrupted_error();
      const auto index = static_cast<std::size_t>(row);
      LUTHIER_TRY(Conversation read, read_row(*set.dataset, index, *set.kind));
      if (holds_boxes(read)) {
        LUTHIER_TRY(read,
                    written_boxes(read, box_writer(*set.processor), set.dataset->where(index)));
      }
      LUTHIER_CHECK(act(set, read, set.dataset->where(index)));
    }
  return {};
}

}  // namespace luthier::handover
