// SPDX-License-Identifier: GPL-3.0-or-later
// Where a column looked when it came to a token: its attention over the picture, of one layer and
// head or of the mean, or what it is more and less than another column's.
#pragma once

#include <QImage>
#include <QWidget>

#include "engine/compare/picture_attention.h"
#include "engine/compare/sample.h"

class QComboBox;
class QLabel;

namespace luthier {

/// The picture with its cells over it.
class AttentionPicture : public QWidget {
  Q_OBJECT

 public:
  explicit AttentionPicture(QWidget* parent = nullptr);
  void set_picture(const QImage& picture);
  /// `shares`: of each cell; of a difference below zero, too. `largest` has the full colour.
  void set_cells(const PictureGrid& grid, std::vector<double> shares, double largest);
  void clear_cells();
  const std::vector<double>& shares() const { return shares_; }
  /// Where the picture is drawn, and a cell on it.
  QRectF picture_rect() const;
  QRectF cell_rect(std::size_t cell) const;
  QSize sizeHint() const override { return {260, 220}; }
  QSize minimumSizeHint() const override { return {140, 110}; }

 protected:
  void paintEvent(QPaintEvent* event) override;
  bool event(QEvent* event) override;

 private:
  QImage picture_;
  PictureGrid grid_;
  std::vector<double> shares_;
  double largest_ = 0;
};

class AttentionView : public QWidget {
  Q_OBJECT

 public:
  explicit AttentionView(QWidget* parent = nullptr);
  void set_sample(const Sample& sample);
  /// `names`: the columns' as they are shown, in the order of the attention's.
  void set_attention(const TokenAttention& attention, const QStringList& names,
                     const QString& token);
  void set_names(const QStringList& names);
  /// Words in the place of the overlay.
  void set_note(const QString& note);
  void clear();

 private:
  void fill_choices();
  void refresh();
  void show_picture();

  Sample sample_;
  TokenAttention attention_;
  QStringList names_;
  QString token_, note_text_;
  AttentionPicture* picture_;
  QLabel* note_;
  QComboBox *column_, *minus_, *layer_, *head_, *which_;
};

}  // namespace luthier
