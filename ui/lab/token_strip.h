// SPDX-License-Identifier: GPL-3.0-or-later
// A row's tokens as they flow: what is noised, what is learned from, and, of a trained model, what
// it says in their places, right or wrong.
#pragma once

#include <QWidget>
#include <optional>
#include <vector>

#include "engine/lab/batch_look.h"

namespace luthier {

class TokenStrip : public QWidget {
  Q_OBJECT

 public:
  explicit TokenStrip(QWidget* parent = nullptr);
  /// `told`: what the model says in place of what it is to say.
  void set_row(const LookRow& row, bool told);
  /// Those that this token sees stand out.
  void look_from(std::optional<std::size_t> token);
  bool hasHeightForWidth() const override { return true; }
  int heightForWidth(int width) const override;
  QSize sizeHint() const override;
  QSize minimumSizeHint() const override;

 protected:
  void paintEvent(QPaintEvent* event) override;
  bool event(QEvent* event) override;

 private:
  struct Chip {
    std::size_t token = 0;
    QString text;
    enum class Kind { Plain, Special, Picture, Noised, Right, Wrong } kind = Kind::Plain;
    bool learned = false;
    QString tip;
    QRect box = {};
  };
  struct Line {
    QString title;  ///< over the chips; empty: none
    std::vector<Chip> chips;
  };
  Chip chip_of(std::size_t place, const LookToken& token) const;
  void make_chips();
  /// Places the chips; returns the height.
  int flow(int width);
  void retell();

  LookRow row_;
  bool told_ = false;
  std::vector<Line> lines_;
  std::vector<QRect> titles_;
  std::optional<std::size_t> from_;
};

}  // namespace luthier
