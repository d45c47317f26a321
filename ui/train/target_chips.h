// SPDX-License-Identifier: GPL-3.0-or-later
// LoRA's targets as chips: q k v o gate up down of the decoder, or every linear. What fits no chip
// (a regular expression, single modules chosen in the tree) leaves them unchecked and stands in the
// text field above.
#pragma once

#include <QWidget>
#include <vector>

class QPushButton;

namespace luthier {

class TargetChips : public QWidget {
  Q_OBJECT

 public:
  explicit TargetChips(QWidget* parent = nullptr);
  /// `value` as get_field writes target_modules.
  void show_value(const QString& value);

 signals:
  void chosen(const QString& value);

 private:
  void clicked(QPushButton* chip);

  std::vector<QPushButton*> chips_;
  QPushButton* all_;
  QStringList others_;  ///< names that have no chip, kept
};

}  // namespace luthier
