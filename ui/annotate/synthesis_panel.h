// SPDX-License-Identifier: GPL-3.0-or-later
// The rules by which a model may fill the open items alone, and how far it has come.
#pragma once

#include <QWidget>

#include "ui/annotate/synthesis.h"

class QDoubleSpinBox;
class QLabel;
class QLineEdit;
class QPushButton;
class QSpinBox;

namespace luthier {

class SynthesisPanel : public QWidget {
  Q_OBJECT

 public:
  explicit SynthesisPanel(Synthesis& synthesis, QWidget* parent = nullptr);
  /// `can_start`: a model is there and something is open.
  void refresh(bool can_start);

 signals:
  void start_asked(const luthier::SynthesisRules& rules);
  void refused(const QString& sentence);

 private:
  void retranslate();
  void start();

  Synthesis& synthesis_;
  bool can_start_ = false;
  QLabel *note_, *samples_label_, *agreement_label_, *pattern_label_;
  QSpinBox* samples_;
  QDoubleSpinBox* agreement_;
  QLineEdit* pattern_;
  QPushButton* start_;
};

}  // namespace luthier
