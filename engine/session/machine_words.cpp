// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/session/machine_words.h"

#include <unistd.h>

#include <algorithm>

#include "engine/base/cores.h"
#include "engine/device/device_facts.h"

namespace luthier {

MachineWords machine_words() {
  MachineWords words;
  words.cores = std::max(1, usable_cores());
  const long pages = ::sysconf(_SC_PHYS_PAGES), page = ::sysconf(_SC_PAGESIZE);
  if (pages > 0 && page > 0) words.bytes = static_cast<std::int64_t>(pages) * page;
  const DeviceFacts facts = device_facts();
  const auto choice = choose_card("auto", facts);
  if (!choice) return words;
  words.note = choice->note;
  if (choice->card < 0 || choice->card >= static_cast<int>(facts.cards.size())) return words;
  const CardFacts& card = facts.cards[static_cast<std::size_t>(choice->card)];
  words.card = card.name;
  words.card_bytes = card.total;
  return words;
}

}  // namespace luthier
