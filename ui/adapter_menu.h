// SPDX-License-Identifier: GPL-3.0-or-later
// A menu of adapters: those of finished runs beside the recipe's run folder, the run that trains
// now where a page can use its newest checkpoint, and any folder from the disk.
#pragma once

#include <QMenu>

#include "engine/base/result.h"

class QToolButton;

namespace luthier {

class Workspace;

class AdapterMenu : public QMenu {
  Q_OBJECT

 public:
  enum class Running { Left, Offered };

  AdapterMenu(Workspace& workspace, Running running, QWidget* parent);
  /// A button that opens such a menu.
  static QToolButton* button(AdapterMenu* menu, const QString& name, QWidget* parent);

 signals:
  /// An adapter's folder, or the folder of the run that trains.
  void chosen(const QString& folder);

 private:
  void fill();

  Workspace& workspace_;
  Running running_;
};

/// "LORA · r 16 · 412 KiB" of an adapter's folder; an Error where it is none.
Result<QString> adapter_facts(const QString& folder);

}  // namespace luthier
