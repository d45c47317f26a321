// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/widgets/pager.h"

#include <QHBoxLayout>
#include <QLabel>
#include <QToolButton>
#include <algorithm>

#include "ui/language.h"
#include "ui/widgets/card.h"

namespace luthier {

Pager::Pager(const QString& name, QWidget* parent) : QWidget(parent) {
  auto* row = new QHBoxLayout(this);
  row->setContentsMargins(0, 0, 0, 0);
  previous_ = new QToolButton(this);
  previous_->setObjectName(QStringLiteral("previous") + name);
  previous_->setArrowType(Qt::LeftArrow);
  place_ = text_label(this);
  place_->setObjectName(QStringLiteral("place") + name);
  next_ = new QToolButton(this);
  next_->setObjectName(QStringLiteral("next") + name);
  next_->setArrowType(Qt::RightArrow);
  for (QWidget* widget : std::initializer_list<QWidget*>{previous_, place_, next_})
    row->addWidget(widget);
  connect(previous_, &QToolButton::clicked, this, [this] { emit turned(page_ - 1); });
  connect(next_, &QToolButton::clicked, this, [this] { emit turned(page_ + 1); });
  on_language(this, [this] { retranslate(); });
  setVisible(false);
}

void Pager::set_place(std::size_t page, std::size_t per_page, std::size_t total) {
  per_page_ = std::max<std::size_t>(1, per_page);
  total_ = total;
  const std::size_t pages = (total_ + per_page_ - 1) / per_page_;
  page_ = std::min(page, std::max<std::size_t>(1, pages) - 1);
  previous_->setEnabled(page_ > 0);
  next_->setEnabled(page_ + 1 < pages);
  setVisible(total_ > 0);
  retranslate();
}

void Pager::retranslate() {
  previous_->setAccessibleName(tr("Previous samples"));
  next_->setAccessibleName(tr("Next samples"));
  const std::size_t first = page_ * per_page_;
  const std::size_t last = std::min(first + per_page_, total_);
  place_->setText(last == first + 1 ? tr("%1 of %2").arg(last).arg(total_)
                                    : tr("%1–%2 of %3").arg(first + 1).arg(last).arg(total_));
}

}  // namespace luthier
