// SPDX-License-Identifier: GPL-3.0-or-later
// A page of the window: what the rail switches between. Pages share nothing but the Workspace.
#pragma once

#include <QWidget>

#include "ui/workspace.h"

class QVBoxLayout;

namespace luthier {

class Banner;

enum class PageId {
  Model,
  Data,
  Train,
  Compare,
  Runs,
  Methods,
  Merge,
  Ranks,
  Lab,
  Start,
};
inline constexpr int kPageCount = 10;

class Page : public QWidget {
  Q_OBJECT

 public:
  explicit Page(Workspace& workspace, QWidget* parent = nullptr)
      : QWidget(parent), workspace_(workspace) {}
  /// The page came to the front.
  virtual void entered() {}

 signals:
  /// Something waits here (a finding, a finished run): the rail shows a dot until the page is
  /// entered.
  void waits();
  /// Asks the window to show another page.
  void go_to(luthier::PageId page);

 protected:
  /// The page's layout from top to bottom, with the gaps that all pages have.
  QVBoxLayout* make_layout();
  /// Where the card died under the program: a button on the message that starts it anew, with this
  /// run to go on with. False where it did not.
  bool offer_anew(Banner* banner, const QString& run = {});
  Workspace& workspace() const { return workspace_; }
  SessionBridge& bridge() const { return workspace_.bridge(); }

 private:
  Workspace& workspace_;
};

}  // namespace luthier
