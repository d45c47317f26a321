// SPDX-License-Identifier: GPL-3.0-or-later
// The map of the lab's cards: how pictures and words come together from top to bottom, what a model
// learns by from left to right. Rows and columns that no card stands in are left out. A card shows
// its pattern and, once a run stands on this machine, its figure.
#pragma once

#include <QAbstractButton>
#include <QWidget>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/lab/card.h"

class QButtonGroup;
class QGridLayout;
class QLabel;

namespace luthier {

/// A card on the map.
class CardChip : public QAbstractButton {
  Q_OBJECT

 public:
  CardChip(const LabCard& card, QWidget* parent);
  const LabCard& card() const { return card_; }
  void set_figure(std::optional<double> figure);
  /// It is open in the second place.
  void set_beside(bool beside);
  void retranslate();
  QSize sizeHint() const override;

 protected:
  void paintEvent(QPaintEvent* event) override;

 private:
  QString name() const;
  QString second_line() const;

  LabCard card_;
  std::optional<double> figure_;
  bool beside_ = false;
};

class CardMap : public QWidget {
  Q_OBJECT

 public:
  explicit CardMap(QWidget* parent = nullptr);
  void choose(const std::string& key);
  void set_beside(const std::string& key);  ///< empty: none
  void set_figure(const std::string& key, std::optional<double> figure);

 signals:
  void chosen(const QString& key);

 private:
  void lay_out();
  void retranslate();

  QGridLayout* grid_;
  QButtonGroup* group_;
  std::vector<CardChip*> chips_;
  std::vector<std::pair<QLabel*, std::string>> titles_;  ///< with the engine's word
};

/// Short words of the engine for the map ("late fusion"), and a card's own sentences, in the
/// person's language.
QString lab_text(const std::string& english);
/// "CLIP" of "Pictures and texts held together (CLIP)".
QString short_name(const LabCard& card);

}  // namespace luthier
