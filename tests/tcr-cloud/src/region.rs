//! The regions that sell TCR.

/// One region as DescribeRegions tells it.
pub(crate) struct Region {
    pub(crate) name: &'static str,
    pub(crate) alias: &'static str,
    pub(crate) id: u32,
}

/// The region of that name.
pub(crate) fn find(name: &str) -> Option<&'static Region> {
    REGIONS.iter().find(|region| region.name == name)
}

const fn region(name: &'static str, alias: &'static str, id: u32) -> Region {
    Region { name, alias, id }
}

/// Numbers from Terraform's table; aliases as in the personal edition's domain names.
pub(crate) const REGIONS: &[Region] = &[
    region("ap-guangzhou", "gz", 1),
    region("ap-shanghai", "sh", 4),
    region("ap-hongkong", "hk", 5),
    region("na-toronto", "ca", 6),
    region("ap-shanghai-fsi", "shjr", 7),
    region("ap-beijing", "bj", 8),
    region("ap-singapore", "sg", 9),
    region("ap-shenzhen-fsi", "szjr", 11),
    region("na-siliconvalley", "usw", 15),
    region("ap-chengdu", "cd", 16),
    region("eu-frankfurt", "de", 17),
    region("ap-seoul", "kr", 18),
    region("ap-chongqing", "cq", 19),
    region("ap-mumbai", "in", 21),
    region("na-ashburn", "use", 22),
    region("ap-bangkok", "th", 23),
    region("eu-moscow", "ru", 24),
    region("ap-tokyo", "jp", 25),
    region("ap-nanjing", "nj", 33),
    region("ap-taipei", "tpe", 39),
    region("ap-beijing-fsi", "bjjr", 46),
    region("ap-jakarta", "jkt", 72),
    region("sa-saopaulo", "sao", 74),
];
