// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/page.h"

#include <QVBoxLayout>

#include "ui/widgets/banner.h"

namespace luthier {

QVBoxLayout* Page::make_layout() {
  auto* layout = new QVBoxLayout(this);
  layout->setContentsMargins(12, 12, 12, 12);
  layout->setSpacing(8);
  return layout;
}

bool Page::offer_anew(Banner* banner, const QString& run) {
  if (!workspace().device_lost()) return false;
  banner->offer(run.isEmpty() ? tr("Start anew") : tr("Start anew and resume"),
                [this, run] { workspace().start_anew(run); });
  return true;
}

}  // namespace luthier
