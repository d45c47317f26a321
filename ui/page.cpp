// SPDX-License-Identifier: GPL-3.0-or-later
// What every page says of a card that died: the same message needs the same button.
#include "ui/page.h"

#include "ui/widgets/banner.h"

namespace luthier {

bool Page::offer_anew(Banner* banner, const QString& run) {
  if (!workspace().device_lost()) return false;
  banner->offer(run.isEmpty() ? tr("Start anew") : tr("Start anew and resume"),
                [this, run] { workspace().start_anew(run); });
  return true;
}

}  // namespace luthier
