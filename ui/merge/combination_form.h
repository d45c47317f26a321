// SPDX-License-Identifier: GPL-3.0-or-later
// How the adapters of a merge are combined: the type by PEFT's name with a line that says what it
// does, and the settings that this type has.
#pragma once

#include <QWidget>

#include "engine/session/session.h"

class QComboBox;
class QDoubleSpinBox;
class QLabel;
class QSpinBox;

namespace luthier {

class CombinationForm : public QWidget {
  Q_OBJECT

 public:
  explicit CombinationForm(QWidget* parent = nullptr);

  /// Without the weights.
  CombineOptions options() const;
  void set_options(const CombineOptions& options);

 signals:
  void changed();

 private:
  void show_needs();
  void retranslate();

  QComboBox *type_, *majority_;
  QLabel *about_, *type_label_, *density_label_, *majority_label_, *rank_label_, *seed_label_;
  QDoubleSpinBox* density_;
  QSpinBox *rank_, *seed_;
};

}  // namespace luthier
