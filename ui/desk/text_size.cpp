// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/desk/text_size.h"

#include <QSettings>
#include <cmath>

#include "ui/theme.h"

namespace luthier {

namespace {
constexpr double kTextStep = 0.1;
const QString kTextScale = QStringLiteral("text_scale"), kProjector = QStringLiteral("projector");
}  // namespace

void restore_text_size() {
  Theme& theme = Theme::instance();
  const double scale = QSettings().value(kTextScale, 1.0).toDouble();
  if (scale != theme.text_scale() && std::isfinite(scale)) theme.set_text_scale(scale);
  const bool projector = QSettings().value(kProjector).toBool();
  if (projector != theme.projector()) theme.set_projector(projector);
}

void change_text_size(int step) {
  Theme& theme = Theme::instance();
  // Counted in whole steps, so that as many up as down end where they began.
  const double steps = std::round((theme.text_scale() - 1) / kTextStep) + step;
  theme.set_text_scale(step == 0 ? 1 : 1 + steps * kTextStep);
  QSettings().setValue(kTextScale, theme.text_scale());
}

void choose_projector(bool on) {
  Theme::instance().set_projector(on);
  QSettings().setValue(kProjector, on);
}

}  // namespace luthier
