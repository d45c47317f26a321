// SPDX-License-Identifier: GPL-3.0-or-later
// Where samples are shown a page at a time: which ones these are, of how many, and the way to the
// page before and behind. Gone where there is nothing to turn.
#pragma once

#include <QWidget>
#include <cstddef>

class QLabel;
class QToolButton;

namespace luthier {

class Pager : public QWidget {
  Q_OBJECT

 public:
  /// The buttons are called previousNAME and nextNAME, the words between them placeNAME.
  explicit Pager(const QString& name, QWidget* parent = nullptr);
  /// `page` (from 0 on) of `total` samples, `per_page` at a time.
  void set_place(std::size_t page, std::size_t per_page, std::size_t total);

 signals:
  /// To this page, which is there.
  void turned(std::size_t page);

 private:
  void retranslate();

  std::size_t page_ = 0, per_page_ = 1, total_ = 0;
  QLabel* place_;
  QToolButton *previous_, *next_;
};

}  // namespace luthier
