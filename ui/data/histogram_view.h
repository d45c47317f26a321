// SPDX-License-Identifier: GPL-3.0-or-later
// How numbers are spread: bars, with what each is said by the mouse and by a screen reader.
#pragma once

#include <QWidget>

#include "engine/data/tools/histogram.h"

namespace luthier {

class HistogramView : public QWidget {
  Q_OBJECT

 public:
  explicit HistogramView(QWidget* parent = nullptr);
  void show_values(const QString& title, const Histogram& histogram);
  QString title() const { return title_; }
  QSize sizeHint() const override { return {260, 150}; }

 protected:
  void paintEvent(QPaintEvent* event) override;
  bool event(QEvent* event) override;

 private:
  QRectF plot() const;
  /// "12 to 24: 31 rows".
  QString words_of(std::size_t bar) const;

  QString title_;
  Histogram values_;
};

}  // namespace luthier
