// SPDX-License-Identifier: GPL-3.0-or-later
// Names of curves with their marks and the value under the cursor (or the newest one), flowing onto
// as many lines as they need.
#pragma once

#include <QColor>
#include <QWidget>
#include <vector>

namespace luthier {

struct LegendEntry {
  enum class Mark { Line, Dashed, Faded, Block, Dot } mark = Mark::Line;
  QColor colour;
  QString name, value;
};

class Legend : public QWidget {
  Q_OBJECT

 public:
  explicit Legend(QWidget* parent = nullptr);
  void set_entries(std::vector<LegendEntry> entries);
  /// Never flows: what does not fit is cut.
  void set_single_line() { single_line_ = true; }
  QSize sizeHint() const override;
  QSize minimumSizeHint() const override;
  bool hasHeightForWidth() const override { return true; }
  int heightForWidth(int width) const override;

 protected:
  void paintEvent(QPaintEvent* event) override;

 private:
  int entry_width(const LegendEntry& entry) const;
  /// Places the entries; draws them when `painter` is given. Returns the height.
  int flow(int width, QPainter* painter) const;

  std::vector<LegendEntry> entries_;
  bool single_line_ = false;
};

}  // namespace luthier
