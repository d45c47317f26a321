// SPDX-License-Identifier: GPL-3.0-or-later
// The picture of a vision-language model: tower → projector → decoder, with their sizes and how
// many tokens pass between them.
#pragma once

#include <QFrame>

#include "ui/model/picture_facts.h"

class QLabel;

namespace luthier {

/// One part: name, parameters and a line of sizes, over a bar of its share.
class PartBox : public QFrame {
  Q_OBJECT

 public:
  explicit PartBox(QWidget* parent = nullptr);
  void show_part(const QString& name, const QString& sizes, const QString& parameters, double share,
                 const QColor& colour);

 protected:
  void paintEvent(QPaintEvent* event) override;

 private:
  QLabel *name_, *sizes_, *parameters_;
  double share_ = 0;
  QColor colour_;
};

class PartsView : public QWidget {
  Q_OBJECT

 public:
  explicit PartsView(QWidget* parent = nullptr);
  /// `limits`: of the recipe, for how many tokens a picture takes.
  void show_summary(const ModelSummary& summary, const PixelLimits& limits = {});

 private:
  void refresh();
  /// What stands between the boxes: how a picture is cut, and what of it goes on.
  void show_arrows();

  ModelSummary summary_;
  PixelLimits limits_;
  PictureReading facts_;
  int asked_ = 0;  ///< how often they were read
  PartBox *tower_, *projector_, *decoder_;
  QLabel *picture_, *patches_, *tokens_;
};

}  // namespace luthier
