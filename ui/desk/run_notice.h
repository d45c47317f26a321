// SPDX-License-Identifier: GPL-3.0-or-later
// Tells the desktop when a run has ended while the person is at something else: through the
// notifications of the desktop (org.freedesktop.Notifications on the session bus), where there are
// some. A window that is looked at says it by itself.
#pragma once

#include <QObject>
#include <functional>

#include "ui/workspace.h"

class QWidget;

namespace luthier {

/// Whether a person wants it, kept from one start to the next; yes at first.
bool wants_run_notices();
void want_run_notices(bool want);

/// Sends one on the session bus, without waiting for it.
void notify_desktop(const QString& title, const QString& text);

class RunNotice : public QObject {
 public:
  using Send = std::function<void(const QString& title, const QString& text)>;

  /// For runs that end while `window` is not in front.
  RunNotice(Workspace& workspace, QWidget* window, Send send = notify_desktop);

 private:
  void tell(const RunEnded& event);

  Workspace& workspace_;
  QWidget* window_;
  Send send_;
};

}  // namespace luthier
