// SPDX-License-Identifier: GPL-3.0-or-later
// A splitter as the window has them: nothing collapses, and the handle is as wide as the gap
// between cards.
#pragma once

#include <QSplitter>

namespace luthier {

class Splitter : public QSplitter {
 public:
  explicit Splitter(Qt::Orientation orientation, QWidget* parent = nullptr)
      : QSplitter(orientation, parent) {
    setChildrenCollapsible(false);
    setHandleWidth(8);
  }
};

}  // namespace luthier
